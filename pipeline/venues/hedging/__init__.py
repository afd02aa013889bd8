"""The hedge of a book: its position at one venue, its trades at another."""
