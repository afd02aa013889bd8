"""Reading Uniswap V3 from a node."""
