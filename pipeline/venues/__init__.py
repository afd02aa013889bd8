"""The places where a book's inventory lies: one package per kind of venue, and the wallets."""
