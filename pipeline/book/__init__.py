"""What a book has: exposures, prices and inventory."""
