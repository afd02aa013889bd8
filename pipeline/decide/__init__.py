"""Whether a book is to act: strategies, gates and levers."""
