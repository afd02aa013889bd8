"""The guards of a hedge on both versions of Aave's bytecode: each refusal has the right reason, and no limit is exceeded."""

from collections.abc import Callable

import pytest
from aave_world import deployment
from hedged_desk import HedgedDesk, steps_of
from hedged_play import ETHER

from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined, StepRefused
from pipeline.messages.events import IntentRefused
from pipeline.messages.outcomes import Done
from pipeline.venues.aave_v3.act.account_after import AccountNow
from pipeline.venues.abi import declared
from streams.devnet import aave
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import ask
from streams.devnet.transactions import Tx
from streams.devnet.world import World

pytestmark = pytest.mark.anvil

SOURCE = "0x" + "f0" * 20
SOURCE_CODE = "0x60003560e01c638205bf6a14601a5760005460005260206000f35b60015460005260206000f3"
"""A source of prices: latestTimestamp() tells slot 1, anything else slot 0."""
TOTAL_SUPPLY = declared("totalSupply()", "uint256")


class GuardedDesk(HedgedDesk):
    """A hedged book whose market's admin does something in the block that brings the supply, before anything is borrowed."""

    def admin(self, to: str, signature: str, *arguments: object) -> Tx:
        data = declared(signature).calldata(*arguments)
        return Tx(sender=self.market.admin, to=to, data=data, gas=3_000_000)

    def until_supply(self) -> None:
        """Go on until the next block brings the supply; what would go behind it comes too late to be signed."""
        while not (self.pending and self.pending[0].step == "supply"):
            self.block()
        late, self.pending = self.pending[1:], self.pending[:1]
        for each in late:
            self.append(IntentRefused(intent=each.digest, reason="expired", detail="a test"))

    def now(self) -> AccountNow:
        return AccountNow(self.shard, self.book, deployment(self.market))

    def reasons(self) -> set[tuple[str, str]]:
        return {(each.phase, each.reason) for each in self.said(StepRefused)}


def freeze(desk: GuardedDesk, *, on: bool) -> Tx:
    market = desk.market
    return desk.admin(market.configurator, "setReserveFreeze(address,bool)", market.weth.asset, on)


def pause(desk: GuardedDesk, *, on: bool) -> Tx:
    market = desk.market
    return desk.admin(market.configurator, "setReservePause(address,bool)", market.weth.asset, on)


def cap(desk: GuardedDesk, *, on: bool) -> Tx:
    """Let no more be owed than is; a whole token is the least that a cap can be."""
    market = desk.market
    return desk.admin(market.configurator, "setBorrowCap(address,uint256)", market.weth.asset, 1 if on else 0)


def dear(desk: GuardedDesk, *, on: bool) -> Tx:
    """Borrow nearly all that the reserve has: the rate is at its top. It is repaid after that."""
    market, whale = desk.market, desk.world.accounts.providers[0]
    if on:
        free = desk.now().totals(desk.book.base)
        assert free is not None
        return aave.borrow(market, whale, market.weth.asset, free.free - 100 * ETHER)
    return aave.repay(market, whale, market.weth.asset, aave.MOST)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(freeze, "reserve_frozen"), (pause, "reserve_paused"), (cap, "borrow_cap"), (dear, "carry")],
)
def test_what_changes_after_the_supply_holds_the_borrowing_back_and_it_goes_on_when_that_is_over(
    chain: Chain, world: World, market: AaveContracts, change: Callable[..., Tx], reason: str
) -> None:
    desk = GuardedDesk(chain, world, market)
    whale = world.accounts.providers[0]
    if change is dear:
        chain.execute(aave.supply(market, whale, market.usdc.asset, 30_000_000 * 10**6))
    if change is cap:
        chain.execute(aave.borrow(market, whale, market.weth.asset, 2 * ETHER))
    desk.until_supply()
    desk.settle(2, change(desk, on=True))
    assert desk.reasons() == {("borrow", reason)}
    assert desk.owed() == 0
    desk.settle(12, change(desk, on=False))
    assert steps_of(desk) == ["supply", "borrow", "sell"]
    assert [type(each.outcome) for each in desk.said(PlanClosed)] == [Done]
    assert desk.refusals == [], "what the signer would refuse is not commanded"
    assert not desk.said(Quarantined)


def test_a_cap_that_leaves_room_for_a_part_is_used_up_and_no_more(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    desk = GuardedDesk(chain, world, market)
    desk.block(desk.admin(market.configurator, "setBorrowCap(address,uint256)", market.weth.asset, 5))
    desk.settle(14)
    assert "exceed its cap" in desk.said(PlanOpened)[0].cut_short
    assert steps_of(desk)[:3] == ["supply", "borrow", "sell"]
    assert 4 * ETHER < desk.owed() < 5 * ETHER + 10**12, "with the interest since"
    assert "borrow_cap" in {reason for _, reason in desk.reasons()}, "nothing is left of it"
    assert desk.refusals == []


def test_a_supply_cap_that_is_reached_holds_the_whole_hedge_back_until_it_is_raised(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    desk = GuardedDesk(chain, world, market)
    called = "setSupplyCap(address,uint256)"
    desk.settle(5, desk.admin(market.configurator, called, market.usdc.asset, 1))
    assert {reason for _, reason in desk.reasons()} == {"supply_cap"}
    assert (desk.done, desk.said(PlanOpened)) == ([], [])
    desk.settle(14, desk.admin(market.configurator, called, market.usdc.asset, 0))
    assert steps_of(desk) == ["supply", "borrow", "sell"]
    assert desk.refusals == []
    assert not desk.said(Quarantined)


def test_what_a_block_tells_of_a_reserve_is_the_chains_and_gives_the_chains_rate(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    desk, whale = GuardedDesk(chain, world, market), world.accounts.providers[0]
    chain.execute(aave.supply(market, whale, market.usdc.asset, 30_000_000 * 10**6))
    looked = 0
    for lent in (500, 1_500, 800, 1_200, 900):
        desk.block(aave.borrow(market, whale, market.weth.asset, lent * ETHER))
        now, reserve = desk.now(), desk.now().reserve(desk.book.base)
        totals = now.totals(desk.book.base)
        assert totals is not None
        assert totals.supply == ask(chain, market.weth.a_token, TOTAL_SUPPLY)
        assert totals.debt == ask(chain, market.weth.debt_token, TOTAL_SUPPLY)
        assert now.borrow_rate_ray(desk.book.base, 0) == reserve.borrow_rate_ray
        looked += 1
    assert looked == 5
    assert reserve.rates is not None
    assert reserve.borrow_rate_ray > reserve.rates.unused_ray + reserve.rates.to_kink_ray, "behind the kink"


class TimedDesk(GuardedDesk):
    """The price of WETH comes from a source that states its time of update."""

    def __init__(self, chain: Chain, world: World, market: AaveContracts) -> None:
        price = ask(chain, market.oracle, declared("getAssetPrice(address)", "uint256"), market.weth.asset)
        chain.rpc("anvil_setCode", SOURCE, SOURCE_CODE)
        self._store(chain, 0, price)
        self._store(chain, 1, int(chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16))
        told = declared("setAssetSources(address[],address[])").calldata([market.weth.asset], [SOURCE])
        chain.execute(Tx(sender=market.admin, to=market.oracle, data=told, gas=1_000_000))
        super().__init__(chain, world, market)

    def _store(self, chain: Chain, slot: int, value: int) -> None:
        chain.rpc("anvil_setStorageAt", SOURCE, f"0x{slot:064x}", f"0x{value:064x}")

    def tell(self, *, percent: int = 100, age_s: int = 0) -> None:
        """Set another price at the source, and its time of update."""
        price = self.now().price(self.book.base)
        assert price is not None
        assert self.shard.tables.head is not None
        self._store(self.chain, 0, price * percent // 100)
        self._store(self.chain, 1, self.shard.tables.head.timestamp_s - age_s)


@pytest.mark.parametrize("reason", ["oracle_stale", "oracle"])
def test_a_price_that_is_old_or_off_holds_the_borrowing_back(
    chain: Chain,
    world: World,
    market: AaveContracts,
    reason: str,
) -> None:
    desk = TimedDesk(chain, world, market)
    desk.until_supply()
    old = reason == "oracle_stale"
    desk.tell(age_s=100_000 if old else 0, percent=100 if old else 80)
    desk.settle(3)
    assert desk.reasons() == {("borrow", reason)}
    assert desk.owed() == 0
    desk.tell(percent=100 if old else 125)
    desk.settle(12)
    assert steps_of(desk) == ["supply", "borrow", "sell"]
    assert not desk.said(Quarantined)


def test_a_source_that_is_replaced_is_asked_from_that_block_on(
    chain: Chain, world: World, market: AaveContracts
) -> None:
    desk = TimedDesk(chain, world, market)
    other = "0x" + "f1" * 20
    desk.block()
    chain.rpc("anvil_setCode", other, SOURCE_CODE)
    chain.rpc("anvil_setStorageAt", other, f"0x{0:064x}", f"0x{desk.now().price(desk.book.base):064x}")
    chain.rpc("anvil_setStorageAt", other, f"0x{1:064x}", f"0x{1:064x}")
    desk.block(
        desk.admin(market.oracle, "setAssetSources(address[],address[])", [market.weth.asset], [other])
    )
    desk.block()
    age_s = desk.now().price_age_s(desk.book.base)
    assert age_s is not None
    assert age_s > 10**8
