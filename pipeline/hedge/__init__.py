"""How a book's base is hedged: the port to a venue, the target, and the laws of ratio and band."""
