"""Uniswap V3 for people."""
