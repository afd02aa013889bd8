"""Aave V3 for a signer: supply, borrow, repay and withdraw for the owner alone, within bounds on debt and health."""
