"""Look up what a book's decisions have led to, which no reorg takes back."""

from pipeline import keys
from pipeline.messages.effects import BookEffects
from pipeline.state.tables import Tables
from pipeline.units import BookId


def effects_of(tables: Tables, book: BookId) -> BookEffects:
    """Find a book's effects; those of a book that has decided nothing yet are empty."""
    return tables.find(keys.effects(book), BookEffects) or BookEffects()
