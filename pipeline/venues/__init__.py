"""Where a book's inventory lies: one package per venue, and the tokens in its wallets."""
