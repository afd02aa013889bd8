"""The version number of the decision rules. Any change of a decision raises it."""

RULES = 14
"""Raise it with every change by which the same log leads to other decisions, plans, transactions, or views of books.

Not for what follows the chain: pools, positions and balances are the chain's under all rules.
"""
