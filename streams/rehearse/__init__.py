"""Dry-runs: each proposal of a dry-run book is carried out once, on a throw-away fork of its block."""
