"""Aave V3 for a signer: supplied, borrowed, repaid and withdrawn for the owner alone, within its own bounds on debt and health."""
