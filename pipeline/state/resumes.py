"""Count an operator's requests to resume an item."""

from pipeline import keys
from pipeline.messages.entries import Resume
from pipeline.state.tables import Tables


def resumes(tables: Tables, item: str) -> int:
    """Count an item's resume requests by operators. They follow the log, so no reorg takes them back."""
    return resumes_at(tables, keys.resumed(item))


def resumes_at(tables: Tables, key: str) -> int:
    """Count the resume requests under a key that the caller has built: `keys.resumed` of the item."""
    resume = tables.find(key, Resume)
    return 0 if resume is None else resume.count
