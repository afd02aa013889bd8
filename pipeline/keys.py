"""Build and parse every key: of a shard's entries, of views and of a signer's journal.

A key is its family and its parts, `observation/0x.../7`. This is the only module that builds and parses keys:
`keys.observation(pool, index)` builds one, `keys.observation.parse(key)` returns pool and index, `keys.observation.matches(key)` tests
the family, and `keys.observation.under(pool)` is the group under which `Tables.group` lists those of a pool. Keys of only one venue are
made with `kind` in the venue's package.

An *item* is a part of the chain's state that can be read: a pool, an owner, a position or a balance; a quarantine can also be of a book or a token.
A *scope* is what an operator can pause: `ALL` or a book.
"""

from functools import lru_cache
from sys import intern
from typing import Any, Final, NamedTuple, Protocol, TypeVarTuple

from pipeline.errors import ImpossibleFactError
from pipeline.units import Address, BlockNumber, BookId, Hash, Offset, PoolId, ShardId, TokenId

Parts = TypeVarTuple("Parts")
KEPT_KEYS: Final = 2_048
"""How many keys are kept of a kind of which each block asks for the same few again."""


class Kind(Protocol[*Parts]):
    """A kind of key, which builds a key when it is called with the key's parts."""

    family: str

    def __call__(self, *parts: *Parts) -> str:
        """Build the key of these parts."""

    def matches(self, key: str) -> bool:
        """Return whether a key is of this kind."""

    def under(self, first: object) -> str:
        """Return the group under which `Tables.group` lists keys with this first part, where they have further parts."""

    def parse(self, key: str) -> tuple[*Parts]:
        """Parse a key into its parts; the last part is the whole rest. Raises: ImpossibleFactError."""


def kind(family: str, *readers: type[str] | type[int], kept: int = 0) -> Any:
    """Make a kind of key with one to four parts, each a text or a number; a venue makes its own. The keys asked for last, `kept` of them, are not built anew."""
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

    build = lru_cache(maxsize=kept)(build) if kept else build  # a plain function builds fastest
    build.family, build.parse = family, parse
    build.matches = lambda key: key.startswith(begins)
    build.under = lambda first: f"{begins}{first}"
    return build


def family(key: str) -> str:
    """Return the family of a key: its first part."""
    return key.partition("/")[0]


def families(*kinds: "Kind[*tuple[Any, ...]] | str") -> frozenset[str]:
    """Collect the families of kinds, and of keys that have no parts."""
    return frozenset(kind if isinstance(kind, str) else kind.family for kind in kinds)


def group_of(key: str) -> str:
    """Return the group under which an entry is listed: `observation/P` for `observation/P/i`, `policy` for `policy/book`."""
    parts = key.split("/", 2)
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


# ------------------------------------------------------------------ items, and the views of them
pool: Kind[PoolId] = kind("pool", str, kept=KEPT_KEYS)
position: Kind[Address, TokenId] = kind("position", str, int)
"""By the contract that numbers positions, and a position's number."""
balance: Kind[Address, Address] = kind("balance", str, str)
"""By account and token."""
token: Kind[Address] = kind("token", str)
book: Kind[BookId] = kind("book", str, kept=KEPT_KEYS)
counted_balances: Kind[BookId] = kind("counted-balances", str, kept=KEPT_KEYS)
cell: Kind[PoolId] = kind("cell", str, kept=KEPT_KEYS)
basis: Kind[BookId] = kind("basis", str, kept=KEPT_KEYS)
watched: Kind[BookId] = kind("watched", str, kept=KEPT_KEYS)
prices: Kind[BookId] = kind("prices", str, kept=KEPT_KEYS)
stock: Kind[BookId] = kind("stock", str, kept=KEPT_KEYS)
unknown: Kind[BookId] = kind("unknown", str, kept=KEPT_KEYS)
missing: Kind[BookId] = kind("missing", str, kept=KEPT_KEYS)
told: Kind[BookId, int] = kind("told", str, int, kept=KEPT_KEYS)
summed: Kind[BookId, int] = kind("summed", str, int, kept=KEPT_KEYS)
"""Both by book, and the index of a venue."""
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
"""These keys are not of entries: values derived from entries are cached under them."""
ALL: Final = "all"
SHARD: Final = "shard"
"""The scope that an operator resumes when a whole shard is halted."""


# ------------------------------------------------------------------ chain part
HEAD: Final = "head"
observation: Kind[PoolId, int] = kind("observation", str, int)
route: Kind[str] = kind("route", str)
path: Kind[BookId] = kind("path", str, kept=KEPT_KEYS)
quarantine: Kind[str] = kind("quarantine", str)
receipt: Kind[Hash] = kind("receipt", str)
allowance: Kind[Address, Address, Address] = kind("allowance", str, str, str)
"""By owner, token and spender."""
cost: Kind[BookId] = kind("cost", str)
volatility: Kind[BookId] = kind("volatility", str, kept=KEPT_KEYS)
warned: Kind[BookId] = kind("warned", str)
departure: Kind[str] = kind("departure", str)
"""By the item that left a book."""
price: Kind[Address, int, int, int] = kind("price", str, int, int, int)
"""By pool, seconds per interval, number of kept intervals, and a slot among them."""
feed: Kind[Address] = kind("feed", str)
sequencer: Kind[Address] = kind("sequencer", str)
"""By the sequencer's uptime feed."""
frame: Kind[BlockNumber] = kind("frame", int)

# ------------------------------------------------------------------ effects part
effects: Kind[BookId] = kind("effects", str, kept=KEPT_KEYS)
plan: Kind[BookId] = kind("plan", str, kept=KEPT_KEYS)
intent: Kind[str] = kind("intent", str)
"""By the intent's digest."""
dry_run: Kind[BookId] = kind("dry-run", str)

# ------------------------------------------------------------------ log part
CURSOR: Final = "cursor"
HALTED: Final = "halted"
HIGHEST: Final = "highest-head"
SET_ASIDE: Final = "set-aside"
WRITER: Final = "writer"
policy: Kind[BookId] = kind("policy", str, kept=KEPT_KEYS)
rules: Kind[int] = kind("rules", int)
passed: Kind[Offset] = kind("passed", int)
"""By the offset of the unreadable record."""
checked: Kind[str] = kind("checked", str)
skipped_checks: Kind[PoolId] = kind("skipped-checks", str)
pause: Kind[str] = kind("pause", str, kept=KEPT_KEYS)
"""By scope."""
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
"""The families of entries that no reorg rewinds. All others belong to the chain part, whichever venue they are of."""


def is_of_chain(key: str) -> bool:
    """Return whether an entry is rewound by a reorg."""
    return family(key) not in KEPT_FAMILIES


class Place(NamedTuple):
    """The groups in which an entry is listed, and its part of the state."""

    listed_under: str
    lists: tuple[str, ...]
    """The entry's family, and its group where that is another one."""
    names: tuple[str, ...]
    """Whoever waits for a write to one of these hears of a write to it: the key itself, and the lists.

    All are interned: what lists an entry holds the key that the table holds, not a copy.
    """
    is_of_chain: bool
    is_in_view: bool
    """Whether a view may depend on it."""


@lru_cache(maxsize=4_096)
def place_of(key: str) -> Place:
    """Return an entry's place. It is needed at each write, mostly for the same keys, so it is cached."""
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
"""The families on which no view of a pool, a position or a book depends."""
OF_AN_ITEM: Final = families(route, quarantine, checked, resumed)
"""The families of entries about the item in their key."""


def pool_of(key: str) -> PoolId:
    """Parse the pool from its own key, or from the key of an entry that belongs to it."""
    return PoolId(key.split("/", 2)[1])


def item_of(key: str) -> str:
    """Return the key's part after the family: for an entry about an item, the item. It is interned, as keys in a table are."""
    return intern(key.partition("/")[2])


def number_of(item: str) -> str:
    """Return the number of a position's item, by which people name it."""
    return item.rpartition("/")[2]


# ------------------------------------------------------------------ a signer's journal: the signer comes first in each
journal_opened: Kind[Address] = kind("opened", str)
"""The marker by which a process finds the journal's end."""
journal_seal: Kind[Address] = kind("seal", str)
journal_standing: Kind[Address] = kind("signer", str)
journal_cursor: Kind[Address, ShardId] = kind("cursor", str, int)
journal_nonce: Kind[Address, int] = kind("nonce", str, int)
journal_intent: Kind[Address, str] = kind("intent", str, str)


def signer_of(key: str) -> str:
    """Return the signer in a journal's key; the result for any other text is undefined."""
    return key.partition("/")[2].partition("/")[0]


# ------------------------------------------------------------------ records of the output topics
REWOUND: Final = "rewound"
"""The key of a `Rewound` record."""
process: Kind[str] = kind("process", str)
"""By role, instance and, for a signer, its account."""
shard: Kind[ShardId] = kind("shard", int)
"""The key of alerts about a whole shard."""


def dead_letter(shard: ShardId, offset: Offset) -> str:
    """Build the key of a dead letter: shard and offset of the record."""
    return f"{shard}/{offset}"


def dead_letter_of(topic: str, shard: int, offset: int) -> str:
    """Build the key of a dead letter from a topic other than the shards' logs."""
    return f"{topic}/{shard}/{offset}"
