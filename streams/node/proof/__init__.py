"""Hold what a node says against hashes: a header against its own, receipts against the root in their header."""
