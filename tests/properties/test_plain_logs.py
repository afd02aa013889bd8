"""Plain decoding of logs equals eth-abi's, and refuses every log that is not exactly of the event's form."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest
from eth_abi.abi import decode as decode_by_abi
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import MalformedLogError
from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact
from pipeline.venues.log_words import Shape, decode
from pipeline.venues.plain_words import PlainShape, read_plainly
from pipeline.venues.uniswap_v3 import manager_logs, pool_logs, topics
from pipeline.venues.uniswap_v3.plain_logs import MANAGER_SHAPES, POOL_SHAPES
from pipeline.venues.wallet import token_logs
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC

DIGITS = [" ", "  ", "_", "g", "A", "0", "\n\n", "-"]
REACHED: Counter[tuple[str, bool]] = Counter()


class Event(NamedTuple):
    """An event that is read plainly."""

    topic: str
    indexed: int
    words: Sequence[str]
    """Those in topics first: type and the fact's field, which is left out where the fact has none."""
    plain: Mapping[str, PlainShape]
    checked: Mapping[str, Shape]


def of_pool(topic: str, indexed: int, *words: str) -> Event:
    return Event(topic, indexed, words, POOL_SHAPES, pool_logs._SHAPES)


def of_manager(topic: str, indexed: int, *words: str) -> Event:
    return Event(topic, indexed, words, MANAGER_SHAPES, manager_logs._SHAPES)


RANGE = ("address owner", "int24 tick_lower", "int24 tick_upper")
AMOUNTS = ("uint256 amount0", "uint256 amount1")
EVENTS = {
    "Swap": of_pool(
        topics.SWAP_TOPIC,
        2,
        *("address sender", "address recipient", "int256 amount0_delta", "int256 amount1_delta"),
        *("uint160 sqrt_price_x96", "uint128 liquidity", "int24 tick"),
    ),
    "Mint": of_pool(topics.MINT_TOPIC, 3, *RANGE, "address", "uint128 liquidity", *AMOUNTS),
    "Burn": of_pool(topics.BURN_TOPIC, 3, *RANGE, "uint128 liquidity", *AMOUNTS),
    "Collect": of_pool(
        topics.COLLECT_TOPIC, 3, *RANGE, "address recipient", "uint128 amount0", "uint128 amount1"
    ),
    "IncreaseLiquidity": of_manager(
        topics.INCREASE_LIQUIDITY_TOPIC, 1, "uint256 token_id", "uint128 liquidity", *AMOUNTS
    ),
    "DecreaseLiquidity": of_manager(
        topics.DECREASE_LIQUIDITY_TOPIC, 1, "uint256 token_id", "uint128 liquidity", *AMOUNTS
    ),
    "Collect of an NFT": of_manager(
        topics.NFT_COLLECT_TOPIC, 1, "uint256 token_id", "address recipient", *AMOUNTS
    ),
    "Transfer of an NFT": of_manager(
        TRANSFER_TOPIC, 3, "address sender", "address recipient", "uint256 token_id"
    ),
    "Transfer": Event(
        TRANSFER_TOPIC,
        2,
        ("address sender", "address recipient", "uint256 amount"),
        token_logs.PLAIN_SHAPES,
        token_logs._TOKEN_SHAPES,
    ),
}
every_event = pytest.mark.parametrize("name", EVENTS)


def words_of(event: Event) -> st.SearchStrategy[list[int]]:
    return st.tuples(*(_word_of(word.split()[0]) for word in event.words)).map(list)


def _word_of(kind: str) -> st.SearchStrategy[int]:
    """Draw a word of a type, often at its bounds."""
    bits = 160 if kind == "address" else int(kind.removeprefix("u").removeprefix("int"))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind.startswith("int") else (0, 2**bits - 1)
    return st.one_of(st.sampled_from([low, low + 1, 0, high]), st.integers(low, high)).map(
        lambda n: n % 2**256
    )


edges = st.sampled_from([2**n + more for n in (23, 128, 160, 255) for more in (-1, 0)])
any_word = st.one_of(edges, edges.map(lambda n: 2**256 - n - 1), st.integers(0, 2**256 - 1))


def log_of(event: Event, values: Sequence[int]) -> RawLog:
    return RawLog(
        address="0x" + "ab" * 20,
        topics=(event.topic, *(f"0x{value:064x}" for value in values[: event.indexed])),
        data="0x" + "".join(f"{value:064x}" for value in values[event.indexed :]),
        log_index=7,
        transaction_hash="0x" + "dd" * 32,
        transaction_index=3,
    )


def checked(log: RawLog, event: Event) -> Fact | None:
    try:
        return decode(log, event.checked[event.topic])
    except MalformedLogError:
        return None


@every_event
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_is_read_as_its_abi_reads_it(name, data):
    event = EVENTS[name]
    log = log_of(event, data.draw(words_of(event)))
    raw = bytes.fromhex("".join(topic[2:] for topic in log.topics[1:]) + log.data[2:])
    by_abi = decode_by_abi([word.split()[0] for word in event.words], raw)
    told = {word.split()[1]: value for word, value in zip(event.words, by_abi, strict=True) if " " in word}
    fact = read_plainly(log, event.plain)
    assert fact is not None
    assert {name: getattr(fact, name) for name in fact.__struct_fields__[2:]} == told
    assert (fact.address, fact.log_index) == (log.address, log.log_index)


@every_event
@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(0, 12), st.integers(0, 400), st.sampled_from(DIGITS))
def test_what_is_not_quite_its_log_is_left_to_the_checked_decoder(name, data, where, at, digit):
    event = EVENTS[name]
    values = data.draw(words_of(event))
    values[data.draw(st.integers(0, len(values) - 1))] = data.draw(any_word)
    log = log_of(event, values)
    parts = [*log.topics[1:], log.data]
    if where < len(parts):
        text = parts[where]
        parts[where] = text[:at] + digit + text[at + len(digit) :] if at < len(text) else text[: at - 400]
    changed = RawLog(
        address=log.address,
        topics=(log.topics[0], *parts[: event.indexed]),
        data=parts[event.indexed],
        log_index=7,
        transaction_hash=log.transaction_hash,
        transaction_index=3,
    )
    expected = checked(changed, event)
    assert read_plainly(changed, event.plain) == expected
    REACHED[name, expected is not None] += 1


@every_event
def test_good_logs_and_bad_ones_were_tried(name):
    test_what_is_not_quite_its_log_is_left_to_the_checked_decoder(name)
    assert REACHED[name, True] > 5
    assert REACHED[name, False] > 5


def test_every_event_that_is_read_plainly_is_tried():
    shapes = [
        shape for each in (POOL_SHAPES, MANAGER_SHAPES, token_logs.PLAIN_SHAPES) for shape in each.values()
    ]
    assert len(shapes) == len(EVENTS)
    assert all(event.plain[event.topic] in shapes for event in EVENTS.values())


def test_the_decoders_of_the_contracts_read_them_so():
    log = log_of(EVENTS["Swap"], range(1, 8))
    assert pool_logs.decode_pool_log(log) == read_plainly(log, POOL_SHAPES)
    log = log_of(EVENTS["Transfer of an NFT"], range(1, 4))
    assert manager_logs.decode_manager_log(log) == manager_logs.decode_nft_transfer(log)
