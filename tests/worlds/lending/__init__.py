"""A lending market on the toy chain, without interest: its logs, its prices, and a signer that acts there."""
