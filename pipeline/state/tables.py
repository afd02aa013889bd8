"""A shard's tables: entries under readable keys, and for each block the values that it overwrote.

Three parts. *Chain* rewinds with a reorg, *effects* never does, *log* follows the log. Steps write through `put`; while a block is open,
the first write to a chain key is kept in the block's frame, so that `rewind` puts everything back and forgets the frame.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from pipeline import keys
from pipeline.errors import ImpossibleFactError
from pipeline.keys import Place, is_of_chain, place_of
from pipeline.messages.base import BlockRef, Entry
from pipeline.messages.entries import Frame, Head, HighestHead
from pipeline.messages.policy import Policy
from pipeline.state.derived_cache import Remembered
from pipeline.state.groups import grouped
from pipeline.state.written_keys import WrittenKeys
from pipeline.units import BlockNumber, Hash

Value = Entry | Policy
V = TypeVar("V", bound=Value)


class _OpenFrame:
    """The frame of the head, which may still grow."""

    def __init__(self, block: BlockRef, overwritten: dict[str, Value | None]) -> None:
        self.block = block
        self.overwritten = overwritten


def _block_of(head: Value | None) -> BlockRef | None:
    return head.block if isinstance(head, Head) else None


class Tables(Remembered):
    """All entries of one shard, with the means to rewind them and to list their changes."""

    def __init__(self, entries: Mapping[str, Value] | None = None) -> None:
        """Start from the entries of a checkpoint."""
        self._entries = {key: value for key, value in (entries or {}).items() if type(value) is not Frame}
        self._groups = grouped(self._entries)
        super().__init__(WrittenKeys(self._groups))
        self.head = _block_of(self._entries.get(keys.HEAD))
        """The last block that attached."""
        self._frames: dict[BlockNumber, _OpenFrame] = {}
        self._committed: dict[str, Value | None] = {}
        """Value at the last commit of each key written since."""
        self._sorted: dict[str, tuple[str, ...]] = {}
        """The keys listed under a prefix, in order, until one comes or goes."""
        self._dirty_frames: set[BlockNumber] = set()
        self._stored_frames: set[BlockNumber] = set()
        self._undo: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        """How to take back each write since `remember`, in their order: what to call, and with what."""
        for frame in [value for value in (entries or {}).values() if type(value) is Frame]:
            self._frames[frame.block.number] = _OpenFrame(frame.block, dict(frame.overwritten))
            self._stored_frames.add(frame.block.number)

    # -------------------------------------------------------------- read
    def find(self, key: str, kind: type[V]) -> V | None:
        """Return an entry, or None."""
        value = self._entries.get(key)
        return value if value is None or isinstance(value, kind) else None

    def need(self, key: str, kind: type[V]) -> V:
        """Return an entry that must be there. Raises: ImpossibleFactError."""
        value = self.find(key, kind)
        if value is None:
            raise ImpossibleFactError(f"no entry {key}")
        return value

    def group(self, prefix: str, kind: type[V]) -> Iterator[tuple[str, V]]:
        """Iterate over the entries under a prefix (see `group_of`), ordered by key."""
        for key in self._keys_under(prefix):
            value = self._entries.get(key)
            if isinstance(value, kind):
                yield key, value

    def _keys_under(self, prefix: str) -> tuple[str, ...]:
        known = self._sorted.get(prefix)
        if known is None:
            known = self._sorted[prefix] = tuple(sorted(self._groups.get(prefix, ())))
        return known

    def has_any(self, prefix: str) -> bool:
        """Return whether there are entries under a prefix."""
        return bool(self._groups.get(prefix))

    def entries(self) -> Mapping[str, Value]:
        """Return every entry but the frames, for checks and tests."""
        return self._entries

    def branch_hash(self, number: BlockNumber) -> Hash | None:
        """Return the hash at a height of the branch that the shard follows, as far back as its frames reach."""
        frame, above = self._frames.get(number), self._frames.get(BlockNumber(number + 1))
        if frame is not None:
            return frame.block.hash
        return None if above is None else above.block.parent_hash

    def sealed_blocks(self) -> list[BlockRef]:
        """List the blocks that a rewind could still reach, newest first."""
        return [self._frames[n].block for n in sorted(self._frames, reverse=True)]

    def overwritten(self) -> Mapping[BlockNumber, dict[str, Value | None]]:
        """Return the values that each block that can still be undone has overwritten."""
        return {number: frame.overwritten for number, frame in self._frames.items()}

    def reaches(self, number: BlockNumber) -> bool:
        """Return whether a rewind to this height is possible: a frame above it, or the shard's beginning."""
        return BlockNumber(number + 1) in self._frames or self.begins_above(number)

    def begins_above(self, number: BlockNumber) -> bool:
        """Return whether a rewind to this height would take away all that the shard has followed since it began."""
        oldest = min(self._frames, default=None)
        return oldest is not None and number < oldest and self._begins_at(oldest)

    def final_block(self) -> tuple[BlockNumber, Hash] | None:
        """Return the last block that no rewind takes away; None where a rewind reaches the shard's beginning."""
        oldest = min(self._frames, default=None)
        if oldest is None or self._begins_at(oldest):
            return None
        return BlockNumber(oldest - 1), self._frames[oldest].block.parent_hash

    def _begins_at(self, number: BlockNumber) -> bool:
        overwritten = self._frames[number].overwritten
        return keys.HEAD in overwritten and overwritten[keys.HEAD] is None

    # -------------------------------------------------------------- write
    def put(self, key: str, value: Value | None) -> None:
        """Set an entry, or delete it (None); the old value of a chain entry is kept in the open frame."""
        old = self._entries.get(key)
        if old == value:
            return
        place = place_of(key)
        key = place.names[0]
        if place.is_of_chain:
            self._keep_for_rewind(key, old)
        self._replace(place, key, old, value)

    def _keep_for_rewind(self, key: str, old: Value | None) -> None:
        head = self.head
        if head is None:
            raise ImpossibleFactError(f"{key} before the shard's first block")
        frame = self._frames.get(head.number)  # none where the head is final already
        if frame is not None and key not in frame.overwritten:
            frame.overwritten[key] = old
            self._dirty_frames.add(head.number)
            self._undo.append((frame.overwritten.pop, (key,)))

    def begin(self, block: BlockRef) -> None:
        """Make a block the head and open its frame; blocks that are now deep enough become final."""
        self._undo.append((self._put_frame, (block.number, self._frames.get(block.number))))
        self._frames[block.number] = _OpenFrame(block, {keys.HEAD: self._entries.get(keys.HEAD)})
        self._dirty_frames.add(block.number)
        self._make_head(block)

    def pass_blocks(self, blocks: Sequence[BlockRef], kept_from: int) -> None:
        """Make a run of quiet blocks the head one by one; those below a height become final at once and get no frame."""
        final = [block for block in blocks if block.number < kept_from]
        if final:
            for number in [number for number in self._frames if number <= final[-1].number]:
                self._drop_frame(number)  # so that those of the branch have no gaps
            self._make_head(final[-1])
        for block in blocks[len(final) :]:
            self.begin(block)

    def _make_head(self, block: BlockRef) -> None:
        self._write(keys.HEAD, Head(block=block))
        highest = self.find(keys.HIGHEST, HighestHead)
        if highest is None or block.number > highest.number:
            self._write(keys.HIGHEST, HighestHead(number=block.number))

    def finalise(self, depth_blocks: int) -> None:
        """Drop the frames of blocks that no reorg may undo any more."""
        highest = self.find(keys.HIGHEST, HighestHead)
        if highest is None:
            return
        final = BlockNumber(highest.number - depth_blocks)
        number = final if self.head is None else min(final, self.head.number)
        while number in self._frames:  # those of a branch have no gaps
            self._drop_frame(number)
            number = BlockNumber(number - 1)

    def rewind(self, number: BlockNumber) -> set[str]:
        """Undo every block above a height, newest first. Returns the keys that the undoing wrote."""
        written: set[str] = set()
        for above in sorted((n for n in self._frames if n > number), reverse=True):
            for key, old in self._frames[above].overwritten.items():
                self._write(key, old)
                written.add(key)
            self._drop_frame(above)
        return written

    def forget(self, matches: Callable[[str], bool]) -> None:
        """Delete entries now and in every frame, so that no rewind brings them back."""
        for key in [k for k in self._entries if matches(k)]:
            self._write(key, None)
        for number, frame in self._frames.items():
            gone = [k for k in frame.overwritten if matches(k)]
            for key in gone:
                self._undo.append((frame.overwritten.__setitem__, (key, frame.overwritten.pop(key))))
            if gone:
                self._dirty_frames.add(number)

    def restore(self, entries: Mapping[str, Value | None]) -> None:
        """Set entries back to earlier values: no block changes them, so no frame keeps the values that they replace."""
        for key, value in entries.items():
            self._write(key, value)

    def empty_chain(self) -> None:
        """Delete the whole chain part, head and frames: the shard must be told where it stands."""
        for number in list(self._frames):
            self._drop_frame(number)
        self.forget(is_of_chain)

    # -------------------------------------------------------------- take back
    def remember(self) -> None:
        """Mark the beginning of a record, to which `undo` goes back."""
        self._undo.clear()

    def savepoint(self) -> int:
        """Return a mark of the present state, for `undo` within the same record."""
        return len(self._undo)

    def undo(self, savepoint: int = 0) -> None:
        """Undo every write since a savepoint, or since the record began."""
        while len(self._undo) > savepoint:
            put_back, values = self._undo.pop()
            put_back(*values)

    # -------------------------------------------------------------- commit
    def changes(self) -> dict[str, Value | None]:
        """Return the net changes since the last `committed`, each key once; None deletes."""
        changed: dict[str, Value | None] = {}
        for key, before in self._committed.items():
            now = self._entries.get(key)
            if now != before:
                changed[key] = now
        for number in sorted(self._dirty_frames):
            frame = self._frames.get(number)
            if frame is not None:
                changed[keys.frame(number)] = Frame(block=frame.block, overwritten=dict(frame.overwritten))
            elif number in self._stored_frames:
                changed[keys.frame(number)] = None
        return changed

    def committed(self) -> None:
        """Declare the present state to be what the checkpoint holds."""
        for number in self._dirty_frames:
            if number in self._frames:
                self._stored_frames.add(number)
            else:
                self._stored_frames.discard(number)
        self._committed.clear()
        self._dirty_frames.clear()

    # -------------------------------------------------------------- inside
    def _write(self, key: str, value: Value | None) -> None:
        old = self._entries.get(key)
        if old != value:
            place = place_of(key)
            self._replace(place, place.names[0], old, value)

    def _replace(self, place: Place, key: str, old: Value | None, value: Value | None) -> None:
        self._committed.setdefault(key, old)
        self._undo.append((self._set, (place, key, old)))
        self._set(place, key, value)

    def _set(self, place: Place, key: str, value: Value | None) -> None:
        self._count_write(place)
        if key == keys.HEAD:
            self.head = _block_of(value)
        if value is None:
            del self._entries[key]
            self._derived.pop(key, None)
            del self._groups[place.listed_under][key]
            self._sorted.pop(place.listed_under, None)
            return
        if key not in self._entries:
            self._groups.setdefault(place.listed_under, {})[key] = None
            self._sorted.pop(place.listed_under, None)
        self._entries[key] = value

    def _drop_frame(self, number: BlockNumber) -> None:
        self._undo.append((self._put_frame, (number, self._frames.pop(number))))
        self._dirty_frames.add(number)

    def _put_frame(self, number: BlockNumber, frame: _OpenFrame | None) -> None:
        if frame is None:
            del self._frames[number]
        else:
            self._frames[number] = frame
