"""Check a node's answers against hashes: a header against its own, receipts against the root in their header."""
