"""The rules of a signer: nonces, fees and budgets."""
