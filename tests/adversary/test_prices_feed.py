"""A price feed that is late, broken, wrong or right, with every kind of answer and both orders of the tokens."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from judge_bench import Bench
from price_play import DOLLAR, ETHER, brings, place_feed
from sender_house import PASTLESS, limits_of, priced_pool
from signer_limits import changed, uniswap

from pipeline.errors import SettingsError
from streams.submit.node import HttpSenderNode
from streams.submit.venues.uniswap_v3.pools import read_pools, read_references
from streams.submit.venues.uniswap_v3.terms import Feed, NamedFeed, NamedReferences, References

pytestmark = pytest.mark.anvil

POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")
FACTORY_RUNTIME_OF = "weth_usdc_low_500"
CLONE = "0x" + "cc" * 20


def with_feed(bench: Bench, name: str, feed: Feed) -> None:
    pool = bench.world.pool(name)
    feed = msgspec.structs.replace(feed, quote=bench.world.usdc_of(pool))
    bench.limits = limits_of(
        bench.world, twap_window_s=180, pools=(priced_pool(pool),), references=References(feeds=(feed,))
    )


def sales(bench: Bench, name: str):
    """A sale of each token, with the strictest minimum that can be met."""
    pool = bench.world.pool(name)
    weth, usdc = bench.world.weth, bench.world.usdc_of(pool)
    for sold, bought, amount in ((weth, usdc, ETHER), (usdc, weth, 3_000 * DOLLAR)):
        honest = brings(bench, bought, bench.swap(sold, amount, 0, pool=name))
        yield bench.swap(sold, amount, honest, pool=name)


@pytest.mark.parametrize("decimals", [8, 18, 0])
@pytest.mark.parametrize("name", POOLS)
def test_a_feed_that_agrees_lets_them_pass(bench: Bench, name: str, decimals: int) -> None:
    with_feed(bench, name, place_feed(bench, decimals=decimals, age_s=3_600))
    for intent in sales(bench, name):
        bench.judge(intent)


@pytest.mark.parametrize("usd", [2_900, 3_100, 1, 10**9])
@pytest.mark.parametrize("name", POOLS)
def test_a_feed_that_says_another_price_stops_both_directions(bench: Bench, name: str, usd: int) -> None:
    with_feed(bench, name, place_feed(bench, usd=usd))
    for intent in sales(bench, name):
        refusal = bench.refusal(intent)
        assert refusal.reason in {"limits", "market"}
        assert "feed 0x" in refusal.detail


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"age_s": 4_000}, "s old, at most 3960 s"),
        ({"answer": 0}, "it answers 0"),
        ({"answer": -1}, "it answers -1"),
        ({"answer": 2**255 - 1}, "beyond what a pool's price can be"),
        ({"answered_in": 6}, "round 7 is not complete"),
        ({"round_id": 0}, "round 0 is not complete"),
        ({"updated_at": 0}, "round 7 is not complete"),
        ({"updated_at": 2**40}, "its answer is of"),
        ({"decimals": 77}, "77 decimals"),
        ({"decimals": 256}, "bytes that are not uint8"),
    ],
    ids=str,
)
def test_a_feed_that_cannot_be_believed_is_refused_and_not_left_out(
    bench: Bench, broken: dict[str, int], says: str
) -> None:
    usual = {"usd": 3_000} if broken.get("decimals", 0) < 77 else {"usd": 0, "answer": 1}
    feed = place_feed(bench, **usual | broken)
    with_feed(bench, POOLS[0], feed)
    references = uniswap(bench.limits).references
    bench.limits = changed(bench.limits, references=msgspec.structs.replace(references, may_be_single=True))
    for intent in sales(bench, POOLS[0]):
        refusal = bench.refusal(intent)
        assert (refusal.reason, says in refusal.detail) == ("market", True), refusal


def test_a_feed_that_is_gone_is_refused(bench: Bench) -> None:
    with_feed(bench, POOLS[0], place_feed(bench))
    bench.chain.rpc("anvil_setCode", uniswap(bench.limits).references.feeds[0].address, "0x")
    for intent in sales(bench, POOLS[0]):
        assert (bench.refusal(intent).reason, "0 bytes" in bench.refusal(intent).detail) == ("market", True)


# ------------------------------------------------------------------ what the file may name
def read(bench: Bench, named: NamedReferences, pools: Sequence[str] = POOLS[:1]) -> References:
    async def reading() -> References:
        node = HttpSenderNode(bench.chain.url, timeout_s=10)
        try:
            listed = await read_pools(
                node, [bench.world.pool(name).address for name in pools], factory=bench.world.factory
            )
            return await read_references(node, named, listed, factory=bench.world.factory)
        finally:
            await node.close()

    return asyncio.run(reading())


def named_feed(bench: Bench, **changes: object) -> NamedFeed:
    feed = place_feed(bench)
    usual = {
        "address": feed.address,
        "base": feed.base,
        "quote": feed.quote,
        "max_age_s": 3_960,
        "deviation_bps": 50,
    }
    return NamedFeed(**usual | changes)  # type: ignore[arg-type]


def test_references_are_read_with_what_is_needed_of_them(bench: Bench) -> None:
    other = bench.world.pool(PASTLESS)
    found = read(bench, NamedReferences(pools=(other.address,), feeds=(named_feed(bench),)))
    assert found.pools == (priced_pool(other),)
    assert [(feed.base_decimals, feed.quote_decimals, feed.max_age_s) for feed in found.feeds] == [
        (18, 6, 3_960)
    ]


def test_a_clone_of_a_pool_is_no_reference(bench: Bench) -> None:
    """Its code is a real pool's, so it answers with the real tokens and fee; the factory names another address."""
    code = bench.chain.rpc("eth_getCode", bench.world.pool(PASTLESS).address, "latest")
    bench.chain.rpc("anvil_setCode", CLONE, code)
    with pytest.raises(SettingsError, match="was not made by factory"):
        read(bench, NamedReferences(pools=(CLONE,)))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (lambda _: NamedReferences(), "alone would price its pair"),
        (
            lambda bench: NamedReferences(pools=(bench.world.pool(POOLS[0]).address,)),
            "alone would price its pair",
        ),
        (
            lambda bench: NamedReferences(pools=(bench.world.pool(POOLS[1]).address,)),
            "prices no pair of a listed pool",
        ),
        (
            lambda bench: NamedReferences(feeds=(named_feed(bench, quote=bench.world.usdc_high),)),
            "prices no pair of a listed pool",
        ),
        (lambda bench: NamedReferences(feeds=(named_feed(bench, address=CLONE),)), "cannot be read"),
        (lambda bench: NamedReferences(pools=(bench.world.router,)), "is no Uniswap V3 pool"),
    ],
)
def test_what_cannot_be_a_reference_is_refused_at_the_start(bench: Bench, names, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read(bench, names(bench))


def test_a_single_reference_must_be_meant(bench: Bench) -> None:
    assert read(bench, NamedReferences(may_be_single=True)).may_be_single
