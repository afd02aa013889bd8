"""The form of messages on the wire, and the bytes that are refused."""

import json
import subprocess
import sys

import msgspec
import pytest
from forms import ENTRIES, golden_record, kinds, read_records

from pipeline.errors import MalformedRecordError, OversizedError
from pipeline.messages.base import BlockRef, Cause, RawLog
from pipeline.messages.dead_letters import DeadLetter
from pipeline.messages.decisions import Quarantined
from pipeline.messages.entries import Cursor, Frame, Head
from pipeline.messages.events import BlockSeen, Paused, WriterStarted
from pipeline.messages.read_values import NativeBalance
from pipeline.venues.uniswap_v3.forms.entries import TickInfo
from pipeline.venues.uniswap_v3.forms.views import SwapSeen
from streams.kafka import codec
from streams.kafka.codec import (
    MAX_PAYLOAD_BYTES,
    decode_entry,
    decode_event,
    decode_output,
    encode,
    encode_entry,
)
from streams.kafka.wire import wire_bytes, wire_form

BLOCK = BlockRef(
    number=19_000_000, hash="0x" + "ab" * 32, parent_hash="0x" + "aa" * 32, timestamp_s=1_704_412_800
)
BLOCK_JSON = (
    '{"number":"19000000","hash":"0x'
    + "ab" * 32
    + '","parent_hash":"0x'
    + "aa" * 32
    + '","timestamp_s":"1704412800"}'
)

SEEN = BlockSeen(
    term=3,
    block=BLOCK,
    base_fee_wei=12_345_678_901,
    logs=(
        RawLog(
            address="0x" + "11" * 20,
            topics=("0x" + "22" * 32,),
            data="0x",
            log_index=7,
            transaction_hash="0x" + "33" * 32,
            transaction_index=2,
        ),
    ),
    reads=(NativeBalance(account="0x" + "44" * 20, amount_wei=2**255 + 1),),
)
SEEN_JSON = (
    '{"type":"BlockSeen.3","term":"3","block":' + BLOCK_JSON + ',"base_fee_wei":"12345678901",'
    '"logs":[{"address":"0x' + "11" * 20 + '","topics":["0x' + "22" * 32 + '"],"data":"0x","log_index":"7",'
    '"transaction_hash":"0x' + "33" * 32 + '","transaction_index":"2"}],"receipts":[],'
    '"reads":[{"type":"native_balance","account":"0x' + "44" * 20 + '",'
    '"amount_wei":"57896044618658097711785492504343953926634992332820282019728792003956564819969"}]}'
)

SWAP = SwapSeen(
    id="swp.1.17.0123456789abcdef",
    because_of=Cause(shard=1, offset=17, block=BLOCK),
    pool="0x" + "11" * 20,
    log_index=7,
    transaction_hash="0x" + "33" * 32,
    amount0_delta=-(10**24),
    amount1_delta=1,
    sqrt_price_x96=2**159 + 1,
    liquidity=0,
    tick=-887_272,
)
SWAP_JSON = (
    '{"type":"SwapSeen","id":"swp.1.17.0123456789abcdef",'
    '"because_of":{"shard":"1","offset":"17","block":' + BLOCK_JSON + '},"rules":"1",'
    '"pool":"0x' + "11" * 20 + '","log_index":"7","transaction_hash":"0x' + "33" * 32 + '",'
    '"amount0_delta":"-1000000000000000000000000","amount1_delta":"1",'
    '"sqrt_price_x96":"730750818665451459101842416358141509827966271489","liquidity":"0","tick":"-887272"}'
)

QUARANTINED = Quarantined(
    id="q", because_of=Cause(shard=1, offset=17, block=None), item="pool/0xaa", reason='a "quoted" é\n'
)
QUARANTINED_JSON = (
    '{"type":"Quarantined","id":"q","because_of":{"shard":"1","offset":"17","block":null},"rules":"1",'
    '"item":"pool/0xaa","reason":"a \\"quoted\\" é\\n"}'
)

TICK = TickInfo(
    liquidity_gross=2**128 - 1, liquidity_net=-(2**127), outside0_x128=2**256 - 1, outside1_x128=0
)
TICK_JSON = (
    '{"liquidity_gross":"340282366920938463463374607431768211455",'
    '"liquidity_net":"-170141183460469231731687303715884105728",'
    '"outside0_x128":"115792089237316195423570985008687907853269984665640564039457584007913129639935",'
    '"outside1_x128":"0"}'
)


# ------------------------------------------------------------------ the wire does not change
def test_an_event_has_these_bytes():
    assert encode(SEEN).decode() == SEEN_JSON
    assert decode_event(SEEN_JSON.encode(), where="here") == SEEN


@pytest.mark.parametrize(("output", "text"), [(SWAP, SWAP_JSON), (QUARANTINED, QUARANTINED_JSON)])
def test_an_output_has_these_bytes(output, text):
    assert encode(output).decode() == text
    assert decode_output(text.encode()) == output


def test_an_entry_has_these_bytes_and_its_type_by_its_key():
    assert encode_entry(TICK).decode() == TICK_JSON
    assert decode_entry("tick/0xaa/-60", TICK_JSON.encode()) == TICK


def test_a_frame_keeps_values_of_many_types_and_absences():
    frame = Frame(
        block=BLOCK, overwritten={"head": Head(block=BLOCK), "tick/0xaa/-60": TICK, "tick/0xaa/0": None}
    )
    payload = encode_entry(frame)
    assert payload.decode() == (
        f'{{"block":{BLOCK_JSON},"overwritten":{{"head":{{"block":{BLOCK_JSON}}},"tick/0xaa/-60":{TICK_JSON},'
        '"tick/0xaa/0":null}}'
    )
    assert decode_entry("frame/19000000", payload) == frame


def test_the_bytes_of_a_dead_letter_come_back():
    letter = DeadLetter(
        topic="events.v1", partition=1, offset=5, error="no", size_bytes=3, payload=b"\x00\xff\x80"
    )
    assert json.loads(encode(letter))["payload"] == "AP+A"
    assert decode_output(encode(letter)) == letter


def test_no_integer_stands_unquoted():
    def leaves(value: object) -> list[object]:
        if isinstance(value, dict | list):
            parts = value.values() if isinstance(value, dict) else value
            return [leaf for part in parts for leaf in leaves(part)]
        return [value]

    assert {type(leaf) for leaf in leaves(json.loads(encode(SEEN)))} == {str}


# ------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("found", "field"),
    [
        ('"3.0"', "$.term"),
        ('"3e0"', "$.term"),
        ('"9007199254740993.0"', "$.term"),
        ("3", "$.term"),
        ("3.0", "$.term"),
        ("3.5", "$.term"),
        ('"3.5"', "$.term"),
        ('"-0"', "$.term"),
        ('"+3"', "$.term"),
        ('" 3"', "$.term"),
        ('"03"', "$.term"),
        ('"0x3"', "$.term"),
        ('""', "$.term"),
        ("null", "$.term"),
        ("true", "$.term"),
        ('"' + "9" * 5_000 + '"', "$.term"),
    ],
)
def test_an_integer_has_one_form(found, field):
    payload = encode(WriterStarted(term=3, instance="w")).replace(b'"3"', found.encode())
    with pytest.raises(MalformedRecordError) as refusal:
        decode_event(payload, where="events.v1[1]@9")
    assert str(refusal.value).startswith("events.v1[1]@9: ")
    assert f"`{field}`" in str(refusal.value)


def test_a_wrong_integer_deep_inside_is_named():
    payload = SEEN_JSON.replace('"log_index":"7"', '"log_index":7').encode()
    with pytest.raises(MalformedRecordError, match=r"7 was read as '7' - at `\$\.logs\[\.\.\.\]\.log_index`"):
        decode_event(payload, where="here")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"type":"nonsense"}',
        b'{"type":5}',
        b'{"type":"Paused.1","scope":"all","reason":"r","by":"me"}',
        b'{"type":"Paused.02","scope":"all","reason":"r","by":"me"}',
        b'{"type":"Paused","scope":"all","reason":"r"}',
        b'{"type":"Paused","scope":"all","reason":"r","by":5}',
        b'{"type":"Paused","scope":"\xff","reason":"r","by":"me"}',
        b'{"type":"Paused","scope":"\\ud800","reason":"r","by":"me"}',
        b'{"type":"Paused","scope":"all","reason":"r","by":"me"} and more',
        b'{"type":"Paused","x":' + b"[" * 100_000,
        b"\x00\x01\x02",
    ],
)
def test_bytes_that_are_no_event_are_refused(payload):
    with pytest.raises(MalformedRecordError, match=r"^events\.v1\[0\]@4: "):
        decode_event(payload, where="events.v1[0]@4")


def test_what_people_add_and_space_out_is_read():
    loose = b'{ "by": "me", "later": {"x": [1.5]}, "type": "Paused", "scope": "all", "reason": "\\u00e9" }'
    assert decode_event(loose, where="here") == Paused(scope="all", reason="é", by="me")


def test_an_event_is_no_output_and_the_other_way_round():
    with pytest.raises(MalformedRecordError, match="BlockSeen"):
        decode_output(encode(SEEN))
    with pytest.raises(MalformedRecordError, match="SwapSeen"):
        decode_event(encode(SWAP), where="here")


@pytest.mark.parametrize("reads", ["decode_event", "decode_output", "decode_intent", "decode_process"])
def test_in_a_process_that_has_read_nothing_else_yet_too(reads):
    """Whether a record halts a shard must not depend on what else its process has read before."""
    payload = encode(SWAP if reads != "decode_output" else SEEN)
    program = f"""
from pipeline.errors import MalformedRecordError, NewerRecordError
from streams.kafka.codec import {reads}
try:
    {reads}({payload!r}, where="here")
except NewerRecordError:
    print("newer")
except MalformedRecordError:
    print("malformed")
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "malformed\n"


def test_what_a_topic_would_not_take_is_neither_written_nor_read():
    large = Paused(scope="all", reason="x" * MAX_PAYLOAD_BYTES, by="me")
    with pytest.raises(OversizedError, match="Paused of"):
        encode(large)
    with pytest.raises(MalformedRecordError, match="more than"):
        decode_event(b" " * (MAX_PAYLOAD_BYTES + 1), where="here")


def test_a_float_that_got_into_a_message_is_not_written():
    with pytest.raises(TypeError):
        encode(WriterStarted(term=3.0, instance="w"))


@pytest.mark.parametrize(
    ("key", "payload", "says"),
    [
        ("tock/1", b"{}", "tock/1: no entry"),
        ("cursor", b'{"offset":"x"}', r"cursor: .*\$\.offset"),
        (
            "frame/1",
            b'{"block":' + BLOCK_JSON.encode() + b',"overwritten":{"tick/a/1":{}}}',
            "tick/a/1: .*gross",
        ),
        ("frame/1", b"{}", "frame/1: .*block"),
    ],
)
def test_bytes_that_are_no_entry_are_refused(key, payload, says):
    with pytest.raises(MalformedRecordError, match=says):
        decode_entry(key, payload)


# ------------------------------------------------------------------ nothing is left out
def test_a_changed_form_has_a_new_version_and_every_version_a_golden_record():
    known = {(each.name, each.family, each.version): each.form for each in read_records()}
    now = [golden_record(kind, family) for (_, family), kind in kinds().items()]
    new = [each.name for each in now if (each.name, each.family, each.version) not in known]
    changed = [
        each.name for each in now if known.get((each.name, each.family, each.version), each.form) != each.form
    ]
    assert not changed, (
        f"{changed} changed their form: raise their versions and write upgraders (docs/adr/0032-versions.md). Only what no "
        f"release has written is recorded anew: make golden-records OF='{' '.join(changed)}'"
    )
    assert not new, f"{new} have no record of their version: make golden-records"


def test_every_kind_of_entry_can_be_read():
    assert decode_entry("cursor", encode_entry(Cursor(offset=2**63))) == Cursor(offset=2**63)
    assert {*codec._entries()} == {*ENTRIES}


def test_what_is_not_set_is_left_out_and_the_rest_keeps_its_order():
    class Some(msgspec.Struct):
        first: int
        maybe: int | msgspec.UnsetType = msgspec.UNSET
        last: int | None = None

    assert wire_bytes(Some(first=1)) == b'{"first":"1","last":null}'
    assert wire_bytes(Some(first=1, maybe=2, last=3)) == b'{"first":"1","maybe":"2","last":"3"}'


def test_a_type_that_the_wire_has_no_form_for_is_refused():
    class Loose(msgspec.Struct):
        amount: int | str

    with pytest.raises(TypeError, match="no form"):
        wire_form(Loose(amount=1))


def test_arrays_nested_without_end_do_not_end_a_process_whose_limit_was_raised():
    """py_ecc raises it, in a signer: msgspec then overflows the stack. Run apart, for it would end the tests."""
    deep = b"[" * 50_000 + b"]" * 50_000
    program = (
        "import sys; sys.setrecursionlimit(100_000)\n"
        "from streams.kafka.codec import decode_event\n"
        "from pipeline.errors import MalformedRecordError\n"
        "payload = sys.stdin.buffer.read()\n"
        "try: decode_event(payload, where='here')\n"
        "except MalformedRecordError: print('refused')"
    )
    for payload in (
        b'{"type":"Paused","scope":"all","reason":"r","by":"me","x":' + deep + b"}",
        b'{"type":"Paused","x":' + deep + b"}",
    ):
        done = subprocess.run([sys.executable, "-c", program], input=payload, capture_output=True, check=True)
        assert done.stdout == b"refused\n"
