"""Keys: a built key parses into the same parts, and no other text parses as a key."""

import pytest
from depth import examples
from forms import ENTRIES
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.errors import ImpossibleFactError
from pipeline.units import Address, BlockNumber, BookId, Hash, Offset, ShardId, Tick, TokenId
from pipeline.venues.aave_v3 import forms
from pipeline.venues.uniswap_v3.forms import own_keys

ADDRESSES = st.integers(0, 2**160 - 1).map(lambda n: Address(f"0x{n:040x}")) | st.just(Address("native"))
HASHES = st.integers(0, 2**256 - 1).map(lambda n: Hash(f"0x{n:064x}"))
BOOKS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,30}", fullmatch=True).map(BookId)
TICKS = st.integers(-887272, 887272).map(Tick)
NUMBERS = st.integers(0, 2**256 - 1)
DIGESTS = st.integers(0, 2**64 - 1).map(lambda n: f"{n:016x}")
ITEMS = st.one_of(
    st.builds(keys.pool, ADDRESSES),
    st.builds(own_keys.owner, ADDRESSES, ADDRESSES),
    st.builds(keys.position, ADDRESSES, NUMBERS.map(TokenId)),
    st.builds(keys.balance, ADDRESSES, ADDRESSES),
    st.builds(keys.book, BOOKS),
)
SHARDS = st.integers(0, 2**31).map(ShardId)
KINDS = {
    "pool": (ADDRESSES,),
    "position": (ADDRESSES, NUMBERS.map(TokenId)),
    "balance": (ADDRESSES, ADDRESSES),
    "token": (ADDRESSES,),
    "book": (BOOKS,),
    "counted_balances": (BOOKS,),
    "cell": (ADDRESSES,),
    "watched": (BOOKS,),
    "basis": (BOOKS,),
    "told": (BOOKS, NUMBERS),
    "price": (ADDRESSES, NUMBERS, NUMBERS, NUMBERS),
    "feed": (ADDRESSES,),
    "sequencer": (ADDRESSES,),
    "order_word": (BOOKS,),
    "summed": (BOOKS, NUMBERS),
    "passed": (NUMBERS,),
    "prices": (BOOKS,),
    "rules": (NUMBERS,),
    "stock": (BOOKS,),
    "unknown": (BOOKS,),
    "missing": (BOOKS,),
    "observation": (ADDRESSES, st.integers(0, 65535)),
    "route": (ITEMS,),
    "path": (BOOKS,),
    "quarantine": (ITEMS,),
    "receipt": (HASHES,),
    "allowance": (ADDRESSES, ADDRESSES, ADDRESSES),
    "cost": (BOOKS,),
    "warned": (BOOKS,),
    "volatility": (BOOKS,),
    "departure": (ITEMS,),
    "frame": (NUMBERS.map(BlockNumber),),
    "effects": (BOOKS,),
    "plan": (BOOKS,),
    "intent": (DIGESTS,),
    "dry_run": (BOOKS,),
    "policy": (BOOKS,),
    "checked": (ITEMS,),
    "skipped_checks": (ADDRESSES,),
    "pause": (ITEMS | st.just(keys.ALL),),
    "resumed": (ITEMS,),
    "gift": (ITEMS,),
    "adopted": (ITEMS,),
    "journal_opened": (ADDRESSES,),
    "journal_seal": (ADDRESSES,),
    "journal_standing": (ADDRESSES,),
    "journal_cursor": (ADDRESSES, SHARDS),
    "journal_nonce": (ADDRESSES, NUMBERS),
    "journal_intent": (ADDRESSES, DIGESTS),
    "process": (st.text(),),
    "shard": (SHARDS,),
}
OF_VENUES = {
    own_keys.owner: (ADDRESSES, ADDRESSES),
    own_keys.held_nfts: (BOOKS, ADDRESSES),
    own_keys.shown_nfts: (BOOKS, ADDRESSES),
    own_keys.nft_groups: (BOOKS, ADDRESSES),
    own_keys.routed_nfts: (BOOKS, ADDRESSES),
    own_keys.owned_nfts: (ADDRESSES,),
    own_keys.followed_nfts: (ADDRESSES,),
    own_keys.followed_pools: (st.text(min_size=1, alphabet="abc_3"), ADDRESSES),
    own_keys.published_pools: (st.text(min_size=1, alphabet="abc_3"), ADDRESSES),
    own_keys.nft_sums: (BOOKS, ADDRESSES),
    own_keys.tick: (ADDRESSES, TICKS),
    own_keys.pool_position: (ADDRESSES, ADDRESSES, TICKS, TICKS),
    forms.aave_market: (ADDRESSES,),
    forms.aave_account: (ADDRESSES, ADDRESSES),
    forms.aave_reserve: (ADDRESSES, ADDRESSES),
    forms.aave_told: (ADDRESSES,),
    forms.aave_token: (ADDRESSES, ADDRESSES),
}
"""Kinds that a venue makes of its own."""


def test_every_kind_is_tried_and_every_entry_has_one():
    kinds = {
        name: kind for name, kind in vars(keys).items() if hasattr(kind, "parse") and kind is not keys.Kind
    }
    assert kinds.keys() == KINDS.keys()
    of_v3 = {kind for kind in vars(own_keys).values() if hasattr(kind, "parse") and kind is not keys.Kind}
    assert of_v3 <= {*OF_VENUES, keys.position}
    constants = {value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)}
    state = {kind.family for name, kind in kinds.items() if not name.startswith("journal_")}
    assert ENTRIES.keys() <= state | constants | {kind.family for kind in OF_VENUES}


ALL_KINDS = [*((getattr(keys, name), drawn) for name, drawn in KINDS.items()), *OF_VENUES.items()]


@pytest.mark.parametrize(("kind", "drawn"), ALL_KINDS, ids=lambda each: getattr(each, "family", ""))
@given(st.data())
@settings(max_examples=examples(40))
def test_what_is_built_is_taken_apart_to_the_same(kind, drawn, data):
    parts = data.draw(st.tuples(*drawn))
    key = kind(*parts)
    assert kind.parse(key) == parts
    assert key == "/".join([kind.family, *map(str, parts)])
    assert kind.matches(key)
    assert keys.family(key) == kind.family
    if len(parts) > 1:
        assert keys.group_of(key) == kind.under(parts[0])


@given(ITEMS, ADDRESSES, NUMBERS.map(TokenId))
def test_the_item_the_pool_and_the_signer_come_out_of_a_key(item, address, number):
    for kind in (keys.route, keys.quarantine, keys.checked, keys.resumed, keys.gift, keys.adopted):
        assert keys.item_of(kind(item)) == item
    for key in (
        keys.pool(address),
        own_keys.tick(address, Tick(-60)),
        keys.observation(address, 7),
        keys.skipped_checks(address),
        own_keys.pool_position(address, Address("0xother"), Tick(1), Tick(2)),
    ):
        assert keys.pool_of(key) == address
    for key in (keys.journal_seal(address), keys.journal_nonce(address, 3)):
        assert keys.signer_of(key) == address
    assert keys.number_of(keys.position(address, number)) == str(number)


@given(st.text() | ITEMS)
def test_whatever_else_is_no_key_is_refused(text):
    for name, drawn in KINDS.items():
        kind = getattr(keys, name)
        try:
            parts = kind.parse(text)
        except ImpossibleFactError as error:
            assert repr(text) in str(error)  # noqa: PT017 - most kinds refuse, one may take it
        else:
            assert kind.matches(text)
            assert len(parts) == len(drawn)


def test_keys_stay_as_they_were_written():
    pool, other, book = Address("0xaa"), Address("0xbb"), BookId("eth")
    assert own_keys.tick(pool, Tick(-60)) == "tick/0xaa/-60"
    assert own_keys.pool_position(pool, other, Tick(-60), Tick(60)) == "pool-position/0xaa/0xbb/-60/60"
    assert keys.route(keys.position(pool, TokenId(7))) == "route/position/0xaa/7"
    assert own_keys.unreadable_position(pool) == "position/0xaa/None"
    assert keys.dry_run(book) == "dry-run/eth"
    assert keys.skipped_checks(pool) == "skipped-checks/0xaa"
    assert keys.pause(keys.book(book)) == "pause/book/eth"
    assert keys.journal_standing(pool) == "signer/0xaa"
    assert keys.journal_cursor(pool, ShardId(3)) == "cursor/0xaa/3"
    assert keys.dead_letter(ShardId(3), Offset(9)) == "3/9"
