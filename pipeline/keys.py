"""The keys of everything that is kept under one: a shard's entries, the views, a signer's journal.

A key is its family and its parts, `tick/0x.../-60`. Here is the only place that builds keys and takes them apart:
`keys.tick(pool, index)` makes one, `keys.tick.parse(key)` gives pool and index back, `key in keys.tick` asks for the family,
and `keys.tick.under(pool)` is what `Tables.group` lists a pool's ticks under.

An *item* is what can be read of the chain: a pool, an owner, a position or a balance; of some quarantines a book or a token.
A *scope* is what an operator can pause: `ALL` or a book.
"""

from typing import Any, Final, Generic, TypeVarTuple

from pipeline.errors import ImpossibleFactError
from pipeline.units import Address, BlockNumber, BookId, Hash, Offset, ShardId, Tick, TokenId

Parts = TypeVarTuple("Parts")


class Kind(Generic[*Parts]):
    """A kind of key: its family, and whether each part of it is a text or a number."""

    def __init__(self, family: str, *readers: type[str] | type[int]) -> None:
        self.family: Final = family
        self._readers = readers
        self._begins = f"{family}/"
        self._form = "/".join([family, *["%s"] * len(readers)])

    def __call__(self, *parts: *Parts) -> str:
        """Build the key of these parts."""
        return self._form % parts

    def __contains__(self, key: str) -> bool:
        """Ask whether a key is of this kind."""
        return key.startswith(self._begins)

    def under(self, *first: object) -> str:
        """Name what `Tables.group` lists keys with these first parts under: all but the last, two at most with the family."""
        return "/".join([self.family, *map(str, first)])

    def parse(self, key: str) -> tuple[*Parts]:
        """Take a key apart; the last part is the whole rest. Raises: ImpossibleFactError."""
        found = key.split("/", len(self._readers))
        if found[0] != self.family or len(found) != 1 + len(self._readers):
            raise ImpossibleFactError(f"{key!r} is not a key of the form {self._form.replace('%s', '...')}")
        try:
            parts = [read(part) for read, part in zip(self._readers, found[1:], strict=True)]
        except ValueError as error:
            raise ImpossibleFactError(f"{key!r} has a part that cannot be read: {error}") from error
        return tuple(parts)  # type: ignore[return-value]


def family(key: str) -> str:
    """Name the kind of a key: its first part."""
    return key.partition("/")[0]


def families(*kinds: "Kind[*tuple[Any, ...]] | str") -> frozenset[str]:
    """Collect the families of kinds, and of keys that have no parts."""
    return frozenset(kind if isinstance(kind, str) else kind.family for kind in kinds)


def group_of(key: str) -> str:
    """Name what an entry is listed under: `tick/P` for `tick/P/t`, `policy` for `policy/book`."""
    parts = key.split("/", 2)
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


# ------------------------------------------------------------------ items, and the views of them
pool = Kind[Address]("pool", str)
position = Kind[Address, TokenId]("position", str, int)
"""Of a position manager, and one of its NFTs."""
balance = Kind[Address, Address]("balance", str, str)
"""Of an account, in a token."""
owner = Kind[Address]("owner", str)
token = Kind[Address]("token", str)
book = Kind[BookId]("book", str)
ALL: Final = "all"
SHARD: Final = "shard"
"""What an operator resumes where a whole shard is halted."""


def unreadable_position(manager: Address) -> str:
    """Name the item of a manager's log that does not tell which NFT it is of."""
    return position.under(manager, None)


# ------------------------------------------------------------------ chain part
HEAD: Final = "head"
tick = Kind[Address, Tick]("tick", str, int)
observation = Kind[Address, int]("observation", str, int)
pool_position = Kind[Address, Address, Tick, Tick]("pool-position", str, str, int, int)
"""Of a pool: the range of one of its owners."""
route = Kind[str]("route", str)
path = Kind[BookId]("path", str)
quarantine = Kind[str]("quarantine", str)
receipt = Kind[Hash]("receipt", str)
allowance = Kind[Address, Address, Address]("allowance", str, str, str)
"""Of an owner, in a token, for a spender."""
cost = Kind[BookId]("cost", str)
departure = Kind[str]("departure", str)
"""Of an NFT, by its item."""
frame = Kind[BlockNumber]("frame", int)

# ------------------------------------------------------------------ effects part
effects = Kind[BookId]("effects", str)
plan = Kind[BookId]("plan", str)
intent = Kind[str]("intent", str)
"""Of a transaction that a plan asked for, by its digest."""
dry_run = Kind[BookId]("dry-run", str)

# ------------------------------------------------------------------ log part
CURSOR: Final = "cursor"
HALTED: Final = "halted"
HIGHEST: Final = "highest-head"
SCHEMA: Final = "schema"
SET_ASIDE: Final = "set-aside"
WRITER: Final = "writer"
policy = Kind[BookId]("policy", str)
checked = Kind[str]("checked", str)
skipped_checks = Kind[Address]("skipped-checks", str)
pause = Kind[str]("pause", str)
"""Of a scope."""
resumed = Kind[str]("resumed", str)
gift = Kind[str]("gift", str)
adopted = Kind[str]("adopted", str)

OF_A_POOL: Final = families(tick, observation, pool_position, skipped_checks)
"""Entries that tell of a pool beside its own."""
OF_AN_ITEM: Final = families(route, quarantine, checked, resumed)
"""Entries that tell of the item in their key."""


def pool_of(key: str) -> Address:
    """Take the pool out of its own key, or out of that of an entry that tells of it."""
    return Address(key.split("/", 2)[1])


def item_of(key: str) -> str:
    """Take out what follows the family: of an entry that tells of an item, the item."""
    return key.partition("/")[2]


def nft_of(item: str) -> str:
    """Take out of a position's item what a person calls the NFT by: its number."""
    return item.rpartition("/")[2]


# ------------------------------------------------------------------ a signer's journal: the signer comes first in each
journal_opened = Kind[Address]("opened", str)
"""By which a process finds the journal's end."""
journal_seal = Kind[Address]("seal", str)
journal_standing = Kind[Address]("signer", str)
journal_cursor = Kind[Address, ShardId]("cursor", str, int)
journal_nonce = Kind[Address, int]("nonce", str, int)
journal_intent = Kind[Address, str]("intent", str, str)


def signer_of(key: str) -> str:
    """Take the signer out of a key of any journal; what is no such key may give anything."""
    return key.partition("/")[2].partition("/")[0]


# ------------------------------------------------------------------ records of the output topics
REWOUND: Final = "rewound"
"""Of a record that says where a branch ended."""
process = Kind[str]("process", str)
"""Of a heartbeat: role, instance and, of a signer, its account."""
shard = Kind[ShardId]("shard", int)
"""Of an alert about a whole shard."""


def dead_letter(shard: ShardId, offset: Offset) -> str:
    """Name a record that is not a message by its place."""
    return f"{shard}/{offset}"


def dead_letter_of(topic: str, shard: int, offset: int) -> str:
    """Name a record of another topic than the shards' logs that nobody could take in."""
    return f"{topic}/{shard}/{offset}"
