"""Dry-runs: each proposal of a dry-run book carried out once, on a fork of its block that is thrown away."""
