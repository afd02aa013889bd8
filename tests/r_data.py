"""Read the data frames of R's `save` files: numbers and texts, as far as the recorded history needs them."""

import gzip
import struct
from pathlib import Path
from typing import Any

_SYMBOL, _PAIRS, _CHARS, _INTS, _REALS, _TEXTS, _LIST = 1, 2, 9, 13, 14, 16, 19
_ALTREP, _NIL, _REFERENCE = 238, 254, 255


def read_frame(path: Path) -> dict[str, list[Any]]:
    """Read the one data frame of a file, by column."""
    content = gzip.decompress(path.read_bytes())
    assert content.startswith(b"RDX3\nX\n"), "an R data file of version 3, in XDR"
    ((_, frame),) = _Reader(content, 7 + 12).header().pairs()
    return frame


class _Reader:
    def __init__(self, content: bytes, at: int) -> None:
        self.content, self.at = content, at
        self.symbols: list[str] = []

    def header(self) -> "_Reader":
        self.take(self.int())  # the encoding's name
        return self

    def take(self, count: int) -> bytes:
        self.at += count
        return self.content[self.at - count : self.at]

    def int(self) -> int:
        return struct.unpack(">i", self.take(4))[0]

    def pairs(self) -> list[tuple[str, Any]]:
        found = self.item()
        assert isinstance(found, list)
        return found

    def item(self) -> Any:
        flags = self.int()
        kind, has_attributes, has_tag = flags & 0xFF, bool(flags & 0x200), bool(flags & 0x400)
        match kind:
            case 254:
                return []
            case 255:
                return self.symbols[(flags >> 8) - 1]
            case 1:
                self.symbols.append(self.item())
                return self.symbols[-1]
            case 9:
                length = self.int()
                return None if length == -1 else self.take(length).decode()
            case 2:
                if has_attributes:
                    self.item()
                tag = self.item() if has_tag else ""
                return [(tag, self.item()), *self.item()]
            case 238:
                _, state, _ = self.item(), self.item(), self.item()
                return state
            case 13 | 14:
                length = self.int()
                form, size = ("i", 4) if kind == 13 else ("d", 8)
                values = list(struct.unpack(f">{length}{form}", self.take(length * size)))
            case 16 | 19:
                values = [self.item() for _ in range(self.int())]
            case _:
                raise AssertionError(f"kind {kind} of R's values is not read")
        attributes = dict(self.item()) if has_attributes else {}
        return (
            dict(zip(attributes["names"], values, strict=True))
            if kind == 19 and "names" in attributes
            else values
        )
