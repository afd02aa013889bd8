"""Indexes of entries share the table's key objects, because copies would be most of an NFT's memory."""

import sys

from builders import OWNER, POOL

from pipeline import keys
from pipeline.messages.entries import Cursor, Route
from pipeline.state.tables import Tables
from pipeline.units import Offset, PoolId
from streams.kafka.codec import decode_entry, encode_entry

ITEM = ("position", POOL, "7")


def built() -> str:
    """Build a key anew, equal to the others and not the same object."""
    return "/".join(ITEM)


def test_a_key_that_is_written_again_is_the_tables_own() -> None:
    tables = Tables()
    tables.restore({built(): Route(owner=OWNER)})
    tables.written("reader", ITEM[0])
    tables.restore({built(): Route(owner=POOL)})
    (key,) = tables.entries()
    (written,) = tables.written("reader", ITEM[0])
    ((listed, _),) = tables.group(keys.group_of(built()), Route)
    assert built() is not built()
    assert written is listed is key


def test_an_item_taken_out_of_a_key_is_the_key_of_its_own_entry() -> None:
    tables = Tables()
    tables.restore({built(): Route(owner=OWNER), keys.CURSOR: Cursor(offset=Offset(1))})
    item = next(key for key in tables.entries() if key != keys.CURSOR)
    assert keys.item_of(keys.route(built())) is item
    assert sys.intern(built()) is item


def test_entries_that_were_read_name_the_same_pool_and_owner_by_the_same_objects() -> None:
    payload = encode_entry(Route(pool=PoolId(POOL), owner=OWNER))
    first, second = (decode_entry(keys.route(f"position/{POOL}/{number}"), payload) for number in (7, 8))
    assert isinstance(first, Route)
    assert isinstance(second, Route)
    assert first.owner is second.owner == OWNER
    assert first.pool is second.pool == POOL


def test_a_field_without_a_text_stays_without() -> None:
    assert decode_entry(keys.route("pool/x"), encode_entry(Route(owner=None))) == Route(owner=None)
