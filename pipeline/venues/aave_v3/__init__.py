"""Aave V3: a lending market, followed from its logs and indices. A debt is a negative exposure of a book."""
