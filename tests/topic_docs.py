"""Write the generated pages on topics: `make topic-docs`."""

from importlib.metadata import version
from pathlib import Path

import msgspec

from streams.kafka.schemas.asyncapi import document
from streams.kafka.schemas.page import page

DOCS = Path(__file__).parents[1] / "docs"


def written() -> dict[Path, bytes]:
    """Make each page's bytes as they must be in the repository."""
    form = msgspec.json.format(msgspec.json.encode(document(version("evenkeel"))))
    return {DOCS / "asyncapi.json": form + b"\n", DOCS / "topics.md": page().encode()}


if __name__ == "__main__":
    for path, content in written().items():
        path.write_bytes(content)
