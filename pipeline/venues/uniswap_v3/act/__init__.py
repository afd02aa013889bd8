"""How books act at Uniswap V3: a re-range, its transactions, guards and cost."""
