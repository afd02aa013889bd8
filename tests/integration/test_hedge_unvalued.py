"""Low health while feeds are too old, on both versions of Aave's bytecode: the book's, that values an asset, and one that the signer goes by."""

import pytest
from aave_world import is_as_on_the_chain
from hedged_desk import HEDGE, HedgedDesk, steps_of
from hedged_play import POOL
from msgspec.structs import replace
from price_play import FEED_CODE
from sender_house import ROOMY, limits_of, priced_pool

from pipeline.messages.account_alerts import HealthLow
from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, Quarantined
from pipeline.messages.events import PolicySet
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy, TokenSpec, version_of
from pipeline.messages.prices import Asset, FeedPrice
from pipeline.units import Address, Seconds
from streams.devnet import actions
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.submit.venues.uniswap_v3.terms import Feed, References

pytestmark = pytest.mark.anvil

OF_ASSET, OF_BASE = (Address("0x" + "fe" * 19 + last) for last in ("01", "02"))
MOST_S = Seconds(3_600)
FLOOR = HEDGE.floor_bps / 10_000 * 1.3


def answer(chain: Chain, feed: Address, usd: int, age_s: int = 0) -> None:
    """Let a stand-in for a feed answer so from the next block on."""
    chain.rpc("anvil_setCode", feed, FEED_CODE)
    at_s = chain.header().timestamp_s - age_s
    for slot, value in enumerate((7, usd * 10**8, at_s, at_s, 7, 8)):
        chain.rpc("anvil_setStorageAt", feed, hex(slot), f"0x{value:064x}")


def with_asset(world: World, book: Policy) -> Policy:
    """Let the book have a third token, which a feed values."""
    token = Address(world.usdc_high)
    feed = FeedPrice(feed=OF_ASSET, unit=book.quote, max_age_s=MOST_S)
    made = replace(
        book,
        tokens=(*book.tokens, TokenSpec(address=token, symbol="OTHER", decimals=6)),
        assets=(Asset(token=token, price_path=(), valued_by=feed),),
    )
    return replace(made, policy_version=version_of(made))


def let_signer_go_by_a_feed(desk: HedgedDesk) -> None:
    """Price the pair by its pool and a feed."""
    world, pool = desk.world, desk.world.pool(POOL)
    feed = Feed(
        address=OF_BASE,
        base=Address(world.weth),
        quote=Address(world.usdc_low),
        base_decimals=18,
        quote_decimals=6,
        max_age_s=MOST_S,
    )
    usual = limits_of(
        world,
        **ROOMY
        | {"max_loss_bps": 500, "pools": (priced_pool(pool),), "references": References(feeds=(feed,))},
    )
    desk.limits = replace(usual, venues=(*usual.venues, desk.limits.venues[-1]))


def hedged(chain: Chain, world: World, market: AaveContracts) -> HedgedDesk:
    """A book on its target, with both feeds well."""
    answer(chain, OF_ASSET, 1)
    answer(chain, OF_BASE, 3_000)
    desk = HedgedDesk(chain, world, market)
    let_signer_go_by_a_feed(desk)
    desk.append(PolicySet(policy=with_asset(world, desk.book)))
    desk.settle(14)
    assert steps_of(desk) == ["supply", "borrow", "sell"]
    return desk


@pytest.mark.parametrize("has", ["base", "quote"])
def test_low_health_is_secured_out_of_the_wallet_while_the_feeds_of_book_and_signer_are_too_old(
    chain: Chain, world: World, market: AaveContracts, has: str
) -> None:
    desk = hedged(chain, world, market)
    token = (market.weth if has == "quote" else market.usdc).asset
    desk.settle(
        1, actions.transfer(token, desk.owner, world.accounts.traders[1], balance(chain, token, desk.owner))
    )
    for feed, usd in ((OF_ASSET, 1), (OF_BASE, 3_000)):
        answer(chain, feed, usd, age_s=4_000)
    desk.settle(2)
    assert desk.said(Declined)[-1].reason == "price_too_old"
    opened, done, owed = len(desk.said(PlanOpened)), len(desk.done), desk.owed()
    desk.tell_the_oracle(140)
    low = desk.health()
    assert 1 < low < HEDGE.act_bps / 10_000
    desk.settle(8)
    plans = desk.said(PlanOpened)[opened:]
    assert {each.trigger for each in plans} == {"health_low"}
    assert {each.goal.terms["move"] for each in plans} <= {"secure", "secure_from_range"}
    assert steps_of(desk, done)[0] == {"base": "repay", "quote": "supply"}[has]
    assert desk.health() > low
    if has == "quote":
        assert desk.health() >= FLOOR - 0.01
        assert desk.refusals == [], "no reference decides on what secures a debt"
        assert desk.said(PlanClosed)[-1].outcome == Done()
        assert desk.allowed() == [0] * 4
    else:
        assert desk.owed() < owed
    assert len(desk.said(HealthLow)) == 1
    is_as_on_the_chain(desk, chain, market, desk.owner)
    assert not desk.said(Quarantined)
