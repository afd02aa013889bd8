"""Aave V3: a lending market, followed from its logs and indices. Debts are negative rows of a book."""
