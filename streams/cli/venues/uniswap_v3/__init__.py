"""Uniswap V3 on the screens."""
