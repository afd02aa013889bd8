"""How a book's hedge acts at Aave V3."""
