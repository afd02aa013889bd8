"""A Swap log is read as eth-abi and the checked decoder read it, and not at all where anything of it is not a swap's."""

from collections import Counter

from eth_abi.abi import decode as decode_by_abi
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import MalformedLogError
from pipeline.messages.base import RawLog
from pipeline.venues.log_words import decode
from pipeline.venues.uniswap_v3 import topics
from pipeline.venues.uniswap_v3.forms.facts import Swapped
from pipeline.venues.uniswap_v3.pool_logs import _SWAP, decode_pool_log
from pipeline.venues.uniswap_v3.swap_logs import read_swap

REACHED: Counter[str] = Counter()
edges = [
    0,
    1,
    2**23 - 1,
    2**23,
    2**256 - 2**23 - 1,
    2**128 - 1,
    2**128,
    2**160 - 1,
    2**160,
    2**255,
    2**256 - 2**23,
    2**256 - 1,
]
words = st.one_of(st.sampled_from(edges), st.integers(0, 2**24), st.integers(0, 2**256 - 1))
addresses = st.integers(0, 2**160 - 1)
good = st.tuples(
    addresses,
    addresses,
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**256 - 1),
    st.integers(0, 2**160 - 1),
    st.integers(0, 2**128 - 1),
    st.integers(-(2**23), 2**23 - 1).map(lambda tick: tick % 2**256),
)
one_word_off = st.tuples(good, st.integers(0, 6), words).map(
    lambda drawn: (*drawn[0][: drawn[1]], drawn[2], *drawn[0][drawn[1] + 1 :])
)


def log_of(values: tuple[int, ...]) -> RawLog:
    return RawLog(
        address="0x" + "ab" * 20,
        topics=(topics.SWAP_TOPIC, *(f"0x{value:064x}" for value in values[:2])),
        data="0x" + "".join(f"{value:064x}" for value in values[2:]),
        log_index=7,
        transaction_hash="0x" + "dd" * 32,
        transaction_index=3,
    )


def checked(log: RawLog) -> object:
    try:
        return decode(log, _SWAP)
    except MalformedLogError:
        return None


@settings(max_examples=300, deadline=None)
@given(good)
def test_a_swap_is_read_as_its_abi_reads_it(values):
    log = log_of(values)
    kinds = ["address", "address", "int256", "int256", "uint160", "uint128", "int24"]
    raw = bytes.fromhex("".join(topic[2:] for topic in log.topics[1:]) + log.data[2:])
    fields = Swapped.__struct_fields__[2:]
    assert tuple(getattr(read_swap(log), name) for name in fields) == decode_by_abi(kinds, raw)


@settings(max_examples=600, deadline=None)
@given(
    one_word_off,
    st.integers(0, 6),
    st.integers(0, 400),
    st.sampled_from([" ", "  ", "_", "g", "A", "0", "\n\n", "-"]),
)
def test_a_log_that_is_not_quite_a_swaps_is_left_to_the_checked_decoder(values, where, at, character):
    log = log_of(values)
    parts = [*log.topics[1:], log.data]
    if where < 3:
        text = parts[where]
        parts[where] = (
            text[:at] + character + text[at + len(character) :] if at < len(text) else text[: at - 400]
        )
    changed = RawLog(
        address=log.address,
        topics=(log.topics[0], *parts[:2]),
        data=parts[2],
        log_index=7,
        transaction_hash=log.transaction_hash,
        transaction_index=3,
    )
    expected = checked(changed)
    assert read_swap(changed) == expected
    REACHED["a swap" if expected is not None else "not a swap"] += 1


def test_both_kinds_were_tried_and_the_pool_decodes_either():
    test_a_log_that_is_not_quite_a_swaps_is_left_to_the_checked_decoder()
    assert REACHED["a swap"] > 20
    assert REACHED["not a swap"] > 20
    assert decode_pool_log(log_of((1, 2, 3, 4, 5, 6, 7))) == read_swap(log_of((1, 2, 3, 4, 5, 6, 7)))
