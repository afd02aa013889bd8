"""Track the keys written since the last check, so that derived values can be updated."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from pipeline.keys import family


class WrittenKeys:
    """The keys written in each family and under each prefix, in the order of their last writes, and how far each reader has read.

    A write costs the same whether one reader waits for it or a thousand do.
    """

    def __init__(self, present: Mapping[str, Iterable[str]]) -> None:
        """Start from the present keys and their groups; no reader has asked yet."""
        self._present = present
        self._count = 0
        self.followed: dict[str, dict[str, int]] = {}
        """By family or prefix that has a reader, the number of each key's last write, the latest last."""
        self._latest: dict[str, int] = {}
        """By the same, the number of the last write."""
        self._read: dict[tuple[str, str], int] = {}
        """By family or prefix, and reader, the number of the last write that the reader has received."""

    def note(self, under: str, key: str) -> None:
        """Note that a key was written, for all readers of a family or prefix that is followed."""
        self._count += 1
        writes = self.followed[under]
        writes.pop(key, None)
        writes[key] = self._latest[under] = self._count

    def take(self, reader: str, listed_under: Iterable[str]) -> Collection[str]:
        """Return the keys written under these since a reader's last call; at first all that exist."""
        taken: dict[str, None] = {}
        for under in listed_under:
            last = self._read.get((under, reader))
            if last is None:
                self.followed.setdefault(under, {})
                self._latest.setdefault(under, 0)
                taken |= dict.fromkeys(self._all(under))
            elif self._latest[under] > last:
                taken |= dict.fromkeys(self._since(under, last))
            else:
                continue
            self._read[under, reader] = self._count
        return taken

    def _since(self, under: str, last: int) -> Iterator[str]:
        for key, number in reversed(self.followed[under].items()):
            if number <= last:
                return
            yield key

    def _all(self, under: str) -> Iterator[str]:
        for prefix in self._present:
            if prefix == under or family(prefix) == under:
                yield from self._present[prefix]
