"""Every event's log: its topic, its fields as eth-abi encodes them, and refusal of any other form."""

from typing import Any

import msgspec
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from contracts_abi import load_abi
from pipeline.errors import MalformedLogError
from pipeline.messages.base import RawLog
from pipeline.units import Address, Hash, LogIndex
from pipeline.venues import uniswap_v3
from pipeline.venues.uniswap_v3 import decode_manager_log, decode_pool_log
from pipeline.venues.uniswap_v3.forms import facts
from pipeline.venues.uniswap_v3.manager_logs import decode_nft_transfer
from pipeline.venues.wallet import token_logs as tokens
from pipeline.venues.wallet.forms import TokensMoved
from pipeline.venues.wallet.token_logs import ZERO_ADDRESS, decode_token_log

EMITTER = Address("0x" + "ab" * 20)
A, B, C = (Address(f"0x{byte * 20}") for byte in ("0a", "fe", "c0"))
MOST_INT256, LEAST_INT256 = 2**255 - 1, -(2**255)


def entry_of(contract: str, event: str) -> dict[str, Any]:
    (entry,) = (e for e in load_abi(*contract.split("/")) if e["type"] == "event" and e["name"] == event)
    return dict(entry)


def log_of(contract: str, event: str, *values: Any) -> RawLog:
    """The log of an event by its published interface, encoded by eth-abi."""
    entry = entry_of(contract, event)
    inputs = entry["inputs"]
    signature = f"{event}({','.join(field['type'] for field in inputs)})"
    pairs = list(zip(inputs, values, strict=True))
    indexed = [encode([field["type"]], [value]) for field, value in pairs if field["indexed"]]
    plain = [(field["type"], value) for field, value in pairs if not field["indexed"]]
    data = encode([kind for kind, _ in plain], [value for _, value in plain])
    return RawLog(
        address=EMITTER,
        topics=("0x" + keccak(text=signature).hex(), *("0x" + topic.hex() for topic in indexed)),
        data="0x" + data.hex(),
        log_index=LogIndex(7),
        transaction_hash=Hash("0x" + "dd" * 32),
        transaction_index=3,
    )


POOL = "uniswap-v3/UniswapV3Pool"
MANAGER = "uniswap-v3/NonfungiblePositionManager"
AT = {"address": EMITTER, "log_index": 7}
RANGE = {"tick_lower": -887_272, "tick_upper": 887_272}

POOL_LOGS = [
    (("Initialize", 2**160 - 1, -1), facts.Initialized(**AT, sqrt_price_x96=2**160 - 1, tick=-1)),
    (
        ("Swap", A, B, MOST_INT256, LEAST_INT256, 4_295_128_739, 2**128 - 1, -(2**23)),
        facts.Swapped(
            **AT,
            sender=A,
            recipient=B,
            amount0_delta=MOST_INT256,
            amount1_delta=LEAST_INT256,
            sqrt_price_x96=4_295_128_739,
            liquidity=2**128 - 1,
            tick=-(2**23),
        ),
    ),
    (
        ("Swap", A, B, -1, 0, 2**96, 0, 2**23 - 1),
        facts.Swapped(
            **AT,
            sender=A,
            recipient=B,
            amount0_delta=-1,
            amount1_delta=0,
            sqrt_price_x96=2**96,
            liquidity=0,
            tick=2**23 - 1,
        ),
    ),
    (
        ("Mint", A, B, -887_272, 887_272, 5, 2**256 - 1, 0),
        facts.Minted(**AT, **RANGE, owner=B, liquidity=5, amount0=2**256 - 1, amount1=0),
    ),
    (
        ("Burn", B, -887_272, 887_272, 0, 1, 2),
        facts.Burned(**AT, **RANGE, owner=B, liquidity=0, amount0=1, amount1=2),
    ),
    (
        ("Collect", B, C, -887_272, 887_272, 1, 2**128 - 1),
        facts.Collected(**AT, **RANGE, owner=B, recipient=C, amount0=1, amount1=2**128 - 1),
    ),
    (("Flash", A, B, 1, 2, 3, 4), facts.Flashed(**AT, amount0=1, amount1=2, paid0=3, paid1=4)),
    (("SetFeeProtocol", 0, 4, 10, 5), facts.ProtocolFeeSet(**AT, fee_protocol0=10, fee_protocol1=5)),
    (("CollectProtocol", A, B, 8, 9), facts.ProtocolFeesCollected(**AT, amount0=8, amount1=9)),
    (
        ("IncreaseObservationCardinalityNext", 1, 65_535),
        facts.CardinalityGrown(**AT, observation_cardinality_next=65_535),
    ),
]
MANAGER_LOGS = [
    (
        ("Transfer", ZERO_ADDRESS, A, 2**256 - 1),
        facts.NftTransferred(**AT, sender=ZERO_ADDRESS, recipient=A, token_id=2**256 - 1),
    ),
    (
        ("IncreaseLiquidity", 9, 2**128 - 1, 3, 4),
        facts.LiquidityIncreased(**AT, token_id=9, liquidity=2**128 - 1, amount0=3, amount1=4),
    ),
    (
        ("DecreaseLiquidity", 9, 2, 3, 4),
        facts.LiquidityDecreased(**AT, token_id=9, liquidity=2, amount0=3, amount1=4),
    ),
    (("Collect", 9, C, 3, 4), facts.NftCollected(**AT, token_id=9, recipient=C, amount0=3, amount1=4)),
]
TOKEN_LOGS = [
    (("tokens/ERC20", "Transfer", A, B, 2**256 - 1), TokensMoved(**AT, sender=A, recipient=B, amount=2**256 - 1)),
    (("tokens/WETH9", "Deposit", A, 5), TokensMoved(**AT, sender=ZERO_ADDRESS, recipient=A, amount=5)),
    (("tokens/WETH9", "Withdrawal", A, 5), TokensMoved(**AT, sender=A, recipient=ZERO_ADDRESS, amount=5)),
]  # fmt: skip


@pytest.mark.parametrize(("event", "fact"), POOL_LOGS, ids=lambda value: type(value).__name__)
def test_a_pools_log_is_its_fact(event: tuple[Any, ...], fact: facts.PoolFact) -> None:
    log = log_of(POOL, *event)
    assert decode_pool_log(log) == fact
    assert log.topics[0] in uniswap_v3.POOL_TOPICS


@pytest.mark.parametrize(("event", "fact"), MANAGER_LOGS, ids=lambda value: type(value).__name__)
def test_a_managers_log_is_its_fact(event: tuple[Any, ...], fact: facts.ManagerFact) -> None:
    log = log_of(MANAGER, *event)
    assert decode_manager_log(log) == fact
    assert log.topics[0] in uniswap_v3.MANAGER_TOPICS


@pytest.mark.parametrize(("event", "fact"), TOKEN_LOGS, ids=lambda value: type(value).__name__)
def test_a_tokens_log_is_its_fact(event: tuple[Any, ...], fact: TokensMoved) -> None:
    log = log_of(*event)
    assert decode_token_log(log) == fact
    assert log.topics[0] in tokens.TOKEN_TOPICS


def test_an_nft_contracts_transfer_is_its_fact() -> None:
    log = log_of(MANAGER, "Transfer", A, B, 12)
    assert decode_nft_transfer(log) == facts.NftTransferred(**AT, sender=A, recipient=B, token_id=12)


def test_every_event_of_a_pool_is_known() -> None:
    topics = {
        "0x" + keccak(text=f"{e['name']}({','.join(i['type'] for i in e['inputs'])})").hex()
        for e in load_abi("uniswap-v3", "UniswapV3Pool")
        if e["type"] == "event"
    }
    assert topics == uniswap_v3.POOL_TOPICS


def test_a_log_of_something_else_is_nothing() -> None:
    approval = log_of("tokens/ERC20", "Approval", A, B, 1)
    bare = msgspec.structs.replace(approval, topics=())
    for log in (approval, bare):
        assert decode_pool_log(log) is None
        assert decode_manager_log(log) is None
        assert decode_token_log(log) is None
        assert decode_nft_transfer(log) is None


SWAP = log_of(POOL, "Swap", A, B, 1, -1, 2**96, 5, 0)


def with_word(log: RawLog, place: int, word: str) -> RawLog:
    at = 2 + 64 * place
    return msgspec.structs.replace(log, data=log.data[:at] + word + log.data[at + 64 :])


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (msgspec.structs.replace(SWAP, data=SWAP.data[:-2]), "words"),
        (msgspec.structs.replace(SWAP, data=SWAP.data + "00" * 32), "words"),
        (msgspec.structs.replace(SWAP, data="0x"), "words"),
        (msgspec.structs.replace(SWAP, data="00" + SWAP.data[2:]), "words"),
        (msgspec.structs.replace(SWAP, data="0x" + "zz" * 160), "not hex"),
        (msgspec.structs.replace(SWAP, data=SWAP.data[:-2] + "  "), "not hex"),
        (msgspec.structs.replace(SWAP, topics=SWAP.topics[:2]), "topics"),
        (msgspec.structs.replace(SWAP, topics=(*SWAP.topics, SWAP.topics[1])), "topics"),
        (msgspec.structs.replace(SWAP, topics=(*SWAP.topics[:2], "0x1234")), "words"),
        (msgspec.structs.replace(SWAP, topics=(*SWAP.topics[:2], "0x" + "01" * 32)), "not an address"),
        (with_word(SWAP, 2, "00" * 11 + "01" + "00" * 20), "not a uint160"),
        (with_word(SWAP, 3, "00" * 15 + "01" + "00" * 16), "not a uint128"),
        (with_word(SWAP, 4, "00" * 29 + "800000"), "not an int24"),
        (with_word(SWAP, 4, "ff" * 29 + "7fffff"), "not an int24"),
    ],
)
def test_a_log_of_another_shape_is_refused_by_name(log: RawLog, says: str) -> None:
    with pytest.raises(MalformedLogError, match=rf"Swap, log 7 of transaction 0xdd.*{says}"):
        decode_pool_log(log)


def test_a_protocol_fee_that_fits_no_slot_is_refused() -> None:
    with pytest.raises(MalformedLogError, match="not a uint4"):
        decode_pool_log(log_of(POOL, "SetFeeProtocol", 0, 0, 16, 0))


def test_a_token_whose_transfer_is_an_nfts_is_refused() -> None:
    with pytest.raises(MalformedLogError, match="4 topics where there should be 3"):
        decode_token_log(log_of(MANAGER, "Transfer", A, B, 12))
    with pytest.raises(MalformedLogError, match="3 topics where there should be 4"):
        decode_manager_log(log_of("tokens/ERC20", "Transfer", A, B, 12))
