"""Build and parse every key: of a shard's entries, of views and of a signer's journal.

A key is its family and its parts, `observation/0x.../7`. Here is the only place that builds keys and takes them apart:
`keys.observation(pool, index)` builds one, `keys.observation.parse(key)` gives pool and index back, `keys.observation.matches(key)` asks
for the family, and `keys.observation.under(pool)` is what `Tables.group` lists those of a pool under. What only one venue has is
made with `kind` in the venue's package.

An *item* is what can be read of the chain: a pool, an owner, a position or a balance; of some quarantines a book or a token.
A *scope* is what an operator can pause: `ALL` or a book.
"""

from functools import lru_cache
from sys import intern
from typing import Any, Final, NamedTuple, Protocol, TypeVarTuple

from pipeline.errors import ImpossibleFactError
from pipeline.units import Address, BlockNumber, BookId, Hash, Offset, PoolId, ShardId, TokenId

Parts = TypeVarTuple("Parts")


class Kind(Protocol[*Parts]):
    """A kind of key: called with its parts it builds one."""

    family: str

    def __call__(self, *parts: *Parts) -> str:
        """Build the key of these parts."""

    def matches(self, key: str) -> bool:
        """Return whether a key is of this kind."""

    def under(self, first: object) -> str:
        """Name what `Tables.group` lists keys with this first part under, where they have more."""

    def parse(self, key: str) -> tuple[*Parts]:
        """Take a key apart; the last part is the whole rest. Raises: ImpossibleFactError."""


def kind(family: str, *readers: type[str] | type[int]) -> Any:
    """Make a kind of one to four parts, each a text or a number; a venue makes its own. A plain function builds fastest."""
    begins = f"{family}/"
    build: Any = (
        lambda a: f"{begins}{a}",
        lambda a, b: f"{begins}{a}/{b}",
        lambda a, b, c: f"{begins}{a}/{b}/{c}",
        lambda a, b, c, d: f"{begins}{a}/{b}/{c}/{d}",
    )[len(readers) - 1]

    all_texts = all(read is str for read in readers)

    def parse(key: str) -> tuple[str | int, ...]:
        found = key.split("/", len(readers))
        if found[0] != family or len(found) != 1 + len(readers):
            raise ImpossibleFactError(f"{key!r} is not a key of {len(readers)} parts behind {begins}")
        if all_texts:
            return tuple(found[1:])
        try:
            return tuple([read(part) for read, part in zip(readers, found[1:], strict=True)])
        except ValueError as error:
            raise ImpossibleFactError(f"{key!r} has a part that cannot be read: {error}") from error

    build.family, build.parse = family, parse
    build.matches = lambda key: key.startswith(begins)
    build.under = lambda first: f"{begins}{first}"
    return build


def family(key: str) -> str:
    """Name the kind of a key: its first part."""
    return key.partition("/")[0]


def families(*kinds: "Kind[*tuple[Any, ...]] | str") -> frozenset[str]:
    """Collect the families of kinds, and of keys that have no parts."""
    return frozenset(kind if isinstance(kind, str) else kind.family for kind in kinds)


def group_of(key: str) -> str:
    """Name what an entry is listed under: `observation/P` for `observation/P/i`, `policy` for `policy/book`."""
    parts = key.split("/", 2)
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


# ------------------------------------------------------------------ items, and the views of them
pool: Kind[PoolId] = kind("pool", str)
position: Kind[Address, TokenId] = kind("position", str, int)
"""Of a contract that numbers positions, and one of them."""
balance: Kind[Address, Address] = kind("balance", str, str)
"""Of an account, in a token."""
token: Kind[Address] = kind("token", str)
book: Kind[BookId] = kind("book", str)
counted_balances: Kind[BookId] = kind("counted-balances", str)
cell: Kind[PoolId] = kind("cell", str)
basis: Kind[BookId] = kind("basis", str)
watched: Kind[BookId] = kind("watched", str)
told: Kind[BookId, int] = kind("told", str, int)
"""Of a book, and the place of a venue."""
prices: Kind[BookId] = kind("prices", str)
stock: Kind[BookId] = kind("stock", str)
unknown: Kind[BookId] = kind("unknown", str)
missing: Kind[BookId] = kind("missing", str)
summed: Kind[BookId, int] = kind("summed", str, int)
"""Of a book, and the place of a venue."""
POLICIES: Final = "policies"
BOOK_ACCOUNTS: Final = "book-accounts"
NATIVE_SUM: Final = "native-sum"
NATIVE_ITEMS: Final = "native-items"
TOLD_ALLOWANCES: Final = "told-allowances"
KEPT_ALLOWANCES: Final = "kept-allowances"
NAMED_ITEMS: Final = "named-items"
QUARANTINED: Final = "quarantined"
PRICE_RINGS: Final = "price-rings"
FEEDS: Final = "feeds"
SEQUENCERS: Final = "sequencers"
DEPARTURES: Final = "departures"
"""These are not entries: what follows from some is remembered under them."""
ALL: Final = "all"
SHARD: Final = "shard"
"""What an operator resumes where a whole shard is halted."""


# ------------------------------------------------------------------ chain part
HEAD: Final = "head"
observation: Kind[PoolId, int] = kind("observation", str, int)
route: Kind[str] = kind("route", str)
path: Kind[BookId] = kind("path", str)
quarantine: Kind[str] = kind("quarantine", str)
receipt: Kind[Hash] = kind("receipt", str)
allowance: Kind[Address, Address, Address] = kind("allowance", str, str, str)
"""Of an owner, in a token, for a spender."""
cost: Kind[BookId] = kind("cost", str)
volatility: Kind[BookId] = kind("volatility", str)
warned: Kind[BookId] = kind("warned", str)
departure: Kind[str] = kind("departure", str)
"""Of what left a book, by its item."""
price: Kind[Address, int, int, int] = kind("price", str, int, int, int)
"""Of a pool: seconds per interval, how many intervals are kept, and a place among them."""
feed: Kind[Address] = kind("feed", str)
sequencer: Kind[Address] = kind("sequencer", str)
"""Of its uptime feed."""
frame: Kind[BlockNumber] = kind("frame", int)

# ------------------------------------------------------------------ effects part
effects: Kind[BookId] = kind("effects", str)
plan: Kind[BookId] = kind("plan", str)
intent: Kind[str] = kind("intent", str)
"""Of a transaction that a plan asked for, by its digest."""
dry_run: Kind[BookId] = kind("dry-run", str)

# ------------------------------------------------------------------ log part
CURSOR: Final = "cursor"
HALTED: Final = "halted"
HIGHEST: Final = "highest-head"
SET_ASIDE: Final = "set-aside"
WRITER: Final = "writer"
policy: Kind[BookId] = kind("policy", str)
rules: Kind[int] = kind("rules", int)
passed: Kind[Offset] = kind("passed", int)
"""Of a record that could not be read, by its offset."""
checked: Kind[str] = kind("checked", str)
skipped_checks: Kind[PoolId] = kind("skipped-checks", str)
pause: Kind[str] = kind("pause", str)
"""Of a scope."""
resumed: Kind[str] = kind("resumed", str)
gift: Kind[str] = kind("gift", str)
adopted: Kind[str] = kind("adopted", str)
order_word: Kind[BookId] = kind("order-word", str)

KEPT_FAMILIES: Final = families(
    frame,
    effects,
    plan,
    intent,
    dry_run,
    CURSOR,
    HALTED,
    HIGHEST,
    SET_ASIDE,
    WRITER,
    policy,
    rules,
    passed,
    checked,
    skipped_checks,
    pause,
    resumed,
    gift,
    adopted,
    order_word,
)
"""The first parts of the keys that no reorg takes back. All others are of the chain, whatever venue has them."""


def is_of_chain(key: str) -> bool:
    """Return whether an entry goes back with a reorg."""
    return family(key) not in KEPT_FAMILIES


class Place(NamedTuple):
    """Where an entry belongs."""

    listed_under: str
    lists: tuple[str, ...]
    """Its family, and what it is listed under where that is something else."""
    names: tuple[str, ...]
    """Whoever waits for a write to one of these hears of a write to it: the key itself, and the lists.

    All are interned: what lists an entry holds the key that the table holds, not a copy.
    """
    is_of_chain: bool
    is_in_view: bool
    """Whether a view may be made of it."""


@lru_cache(maxsize=4_096)
def place_of(key: str) -> Place:
    """Find where an entry belongs: asked at each write, and mostly of the same keys."""
    key, kind, listed_under = intern(key), intern(family(key)), intern(group_of(key))
    lists = (kind,) if kind == listed_under else (kind, listed_under)
    return Place(listed_under, lists, (key, *lists), is_of_chain(key), kind not in IN_NO_VIEW)


IN_NO_VIEW: Final = families(
    HEAD,
    HIGHEST,
    CURSOR,
    frame,
    WRITER,
    SET_ASIDE,
    skipped_checks,
    HALTED,
    pause,
    path,
    effects,
    plan,
    intent,
    dry_run,
    receipt,
    allowance,
    observation,
    departure,
    warned,
    price,
    sequencer,
)
"""Families that no view of a pool, a position or a book is made of."""
OF_AN_ITEM: Final = families(route, quarantine, checked, resumed)
"""Entries that tell of the item in their key."""


def pool_of(key: str) -> PoolId:
    """Parse the pool from its own key, or from the key of an entry that belongs to it."""
    return PoolId(key.split("/", 2)[1])


def item_of(key: str) -> str:
    """Return what follows the family: for an entry that belongs to an item, the item. It is interned, as keys in a table are."""
    return intern(key.partition("/")[2])


def number_of(item: str) -> str:
    """Take out of a position's item what a person calls it by: its number."""
    return item.rpartition("/")[2]


# ------------------------------------------------------------------ a signer's journal: the signer comes first in each
journal_opened: Kind[Address] = kind("opened", str)
"""By which a process finds the journal's end."""
journal_seal: Kind[Address] = kind("seal", str)
journal_standing: Kind[Address] = kind("signer", str)
journal_cursor: Kind[Address, ShardId] = kind("cursor", str, int)
journal_nonce: Kind[Address, int] = kind("nonce", str, int)
journal_intent: Kind[Address, str] = kind("intent", str, str)


def signer_of(key: str) -> str:
    """Take the signer out of a key of any journal; what is no such key may give anything."""
    return key.partition("/")[2].partition("/")[0]


# ------------------------------------------------------------------ records of the output topics
REWOUND: Final = "rewound"
"""Of a record that says where a branch ended."""
process: Kind[str] = kind("process", str)
"""Of a heartbeat: role, instance and, of a signer, its account."""
shard: Kind[ShardId] = kind("shard", int)
"""Of an alert about a whole shard."""


def dead_letter(shard: ShardId, offset: Offset) -> str:
    """Name a record that is not a message by its place."""
    return f"{shard}/{offset}"


def dead_letter_of(topic: str, shard: int, offset: int) -> str:
    """Name a record of another topic than the shards' logs that nobody could take in."""
    return f"{topic}/{shard}/{offset}"
