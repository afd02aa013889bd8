"""Uniswap V3 for a signer: swaps and positions in listed pools, valued at every reference price of their pair."""
