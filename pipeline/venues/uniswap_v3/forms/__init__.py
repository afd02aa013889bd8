"""The messages and entries of Uniswap V3, and the facts of its logs."""
