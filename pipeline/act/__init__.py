"""From a proposal to transactions: how a plan is drafted, guarded and followed to its end."""
