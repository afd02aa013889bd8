"""Track the keys written since the last check, so that derived values can be updated."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from pipeline.keys import family


class WrittenKeys:
    """The keys written in each family and under each prefix, for each reader that has not asked for them since."""

    def __init__(self, present: Mapping[str, Iterable[str]]) -> None:
        """Take the present keys, by what they are listed under; nobody has asked yet."""
        self._present = present
        self._unread: dict[str, dict[str, dict[str, None]]] = {}

    def note(self, lists: Iterable[str], key: str) -> None:
        """Remember that a key was written, for all who read one of these families or prefixes."""
        for under in lists:
            readers = self._unread.get(under)
            if readers is not None:
                for written in readers.values():
                    written[key] = None

    def take(self, reader: str, listed_under: Iterable[str]) -> Collection[str]:
        """Give what was written under these since a reader last asked; at first all that is present."""
        taken: dict[str, None] = {}
        for under in listed_under:
            readers = self._unread.setdefault(under, {})
            written = readers.get(reader)
            if written is None:
                written = dict.fromkeys(self._all(under))
            elif not written:
                continue
            readers[reader] = {}
            taken |= written
        return taken

    def _all(self, under: str) -> Iterator[str]:
        for prefix in self._present:
            if prefix == under or family(prefix) == under:
                yield from self._present[prefix]
