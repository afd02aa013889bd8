"""What a node cannot make up: a header belongs to its hash, and receipts to their header."""
