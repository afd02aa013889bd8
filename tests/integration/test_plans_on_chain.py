"""Plans on real bytecode during price moves and reorgs: they are revised or recovered."""

import pytest
from chain_desk import ChainDesk
from chain_plans import (
    allowances,
    buy,
    cancel_all,
    desk_on,
    is_tracked,
    liquid,
    pool_name,
    push,
    undo,
    until_closed,
    until_pending,
)
from msgspec.structs import replace

from pipeline.advance.books import stock_of
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.messages.decisions import (
    PlanClosed,
    PlanOpened,
    PlanRevised,
    PositionLeft,
    PositionSetApart,
    Quarantined,
    StepRefused,
)
from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import BookView
from pipeline.venues.uniswap_v3.act.withdrawals import WITHDRAW_GAS
from pipeline.venues.uniswap_v3.assess import own_positions
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from pipeline.venues.uniswap_v3.routes import set_apart
from streams.cli.departure_words import left_text
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import range_around, read, token_ids
from streams.devnet.world import World
from streams.present_books import ShardNow, books_at

pytestmark = pytest.mark.anvil

POOLS = ("weth_usdc_low_500", "weth_usdc_high_500")
_LATE_BLOCKS = 26
"""After which the deadline of what waits is past."""


def deviation(desk: ChainDesk) -> int:
    return abs(desk.said(BookView)[-1].base_share_bps - desk.book.strategy.target_share_bps)


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("up", [True, False], ids=["back and beyond", "on and on"])
def test_a_jump_behind_the_withdrawal_does_not_turn_the_book_over(
    chain: Chain, world: World, name: str, up: bool
) -> None:
    desk = desk_on(chain, world, name, "wait")
    push(desk, ether=130)
    assert [i.step for i in desk.pending] == ["withdraw"]
    if up:
        buy(desk, 3_000_000)
    else:
        push(desk, ether=600)
    assert [i.step for i in desk.done] == ["withdraw"]
    before = deviation(desk)
    assert until_closed(desk) == Done()
    assert desk.said(PlanRevised), "the range of the beginning does not fit any more"
    assert deviation(desk) <= max(before, 150)
    assert len(liquid(desk)) == 1
    assert allowances(desk) == [0, 0, 0, 0]
    assert is_tracked(desk)
    closed = desk.said(PlanClosed)[0]
    assert paid_by_receipts(desk, closed, []) == (closed.cost.transactions, closed.cost.gas_wei)
    assert lost_by_swaps(desk, closed) == closed.cost.swap_loss


def test_sixty_dust_nfts_from_a_stranger_do_not_stop_a_live_book(chain: Chain, world: World) -> None:
    """Minted to the owner or transferred to it: all of it is one plan's withdrawal refused for ever, if it counts."""
    name = POOLS[0]
    desk = desk_on(chain, world, name, "wait")
    (own,) = (number for number, _ in _held(desk))
    pool, stranger = world.pool(name), world.accounts.traders[1]
    ticks = range_around(chain, pool, -1_000, 1_000)
    minted = actions.mint_position(world, desk.book.owner, pool, ticks, world.amounts(pool, 10**14))
    theirs = actions.mint_position(world, stranger, pool, ticks, world.amounts(pool, 10**14))
    desk.block(*[replace(minted, sender=stranger)] * 30)
    desk.block(*[theirs] * 30)
    theirs_now = token_ids(chain, world, stranger)[-30:]
    desk.block(*[actions.transfer_nft(world, stranger, desk.book.owner, each) for each in theirs_now])
    assert len(desk.said(PositionSetApart)) == 60
    push(desk, ether=130)
    assert until_closed(desk) == Done()
    (withdrawn,) = (intent for intent in desk.done if intent.step == "withdraw")
    assert withdrawn.call.gas_limit == WITHDRAW_GAS
    assert len(set_apart(desk.shard.tables, desk.book, acting_deployment(desk.book))) == 60
    numbers = {number for number, held in _held(desk) if held.liquidity}
    assert numbers == {max(token_ids(chain, world, desk.book.owner))}, "its own new one"
    assert own not in numbers
    assert not desk.refusals


def test_an_nft_that_its_owner_gives_away_is_reported_and_the_inventory_names_it(
    chain: Chain, world: World
) -> None:
    desk = desk_on(chain, world, POOLS[0], "wait")
    ((number, _),) = _held(desk)
    before, friend = stock_of(desk.shard, desk.book), world.accounts.traders[2]
    (tx_hash,) = desk.block(actions.transfer_nft(world, desk.book.owner, friend, number))
    (left,) = desk.said(PositionLeft)
    assert (left.to, left.transaction_hash) == (friend, tx_hash)
    assert 0 < left.value_quote <= before.value_quote
    at = ShardNow(
        shard=desk.shard,
        head=desk.shard.tables.head,
        cursor=0,
        records_behind=0,
        waiting_since_ms=None,
        halted=None,
    )
    (now,) = books_at(at)
    ((item, departure),) = now.left
    said = left_text(item, departure, desk.book)
    assert said.startswith(f"NFT {number}, worth ")
    assert f" USDC, has left for {friend} at block {at.head.number} (" in said
    assert said.endswith(f" by transaction {tx_hash}")
    desk.block(actions.transfer_nft(world, friend, desk.book.owner, number))
    assert [each.left for each in books_at(at)] == [()], "it is back"
    assert len(desk.said(PositionLeft)) == 1


def _held(desk: ChainDesk) -> list[tuple[int, NftPosition]]:
    return [(int(key.rpartition("/")[2]), held) for key, held in own_positions(desk.shard, desk.book)]


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("first", ["swap", "mint", "reset"])
def test_a_reorg_over_several_phases_is_recovered(chain: Chain, world: World, name: str, first: str) -> None:
    """All from a phase on goes away and nothing of it comes again: past its deadline the signer cancels it."""
    desk = desk_on(chain, world, name, "wait")
    push(desk, ether=130)
    begun: dict[str, int] = {}
    while not desk.said(PlanClosed):
        for intent in desk.pending[:1]:
            begun.setdefault(phase_of(desk, intent), chain.header().number)
        desk.block()
    assert set(begun) >= {"withdraw", "swap", "mint", "reset"}
    undo(desk, chain.header().number - begun[first])
    for _ in range(_LATE_BLOCKS):
        desk.block()
    cancelled = cancel_all(desk)
    closed = len(desk.said(PlanClosed))
    for _ in range(40):
        if len(desk.said(PlanClosed)) > closed:
            break
        desk.block()
    assert [o.outcome for o in desk.said(PlanClosed)][closed:] == [Done()]
    assert len(liquid(desk)) == 1
    assert allowances(desk) == [0, 0, 0, 0]
    assert is_tracked(desk)
    assert not desk.said(Quarantined)
    last = desk.said(PlanClosed)[-1]
    assert paid_by_receipts(desk, last, cancelled) == (last.cost.transactions, last.cost.gas_wei)


def paid_by_receipts(desk: ChainDesk, closed: PlanClosed, cancelled: list[str]) -> tuple[int, int]:
    """Add up what the chain itself says the plan's transactions, and cancellations of them, have paid for gas."""
    own = [desk.hashes[each.digest] for each in desk.done if each.plan == closed.plan]
    receipts = [desk.chain.rpc("eth_getTransactionReceipt", each) for each in (*own, *cancelled)]
    there = [each for each in receipts if each is not None]
    paid = [int(each["gasUsed"], 16) * int(each["effectiveGasPrice"], 16) for each in there]
    return len(paid), sum(paid)


def lost_by_swaps(desk: ChainDesk, closed: PlanClosed) -> int:
    """Value the plan's swaps by their receipts, at the pool's own mean of their block."""
    pool, loss = desk.world.pools[pool_name(desk)], 0
    for intent in desk.done:
        if intent.plan != closed.plan or intent.step != "swap":
            continue
        receipt = desk.chain.rpc("eth_getTransactionReceipt", desk.hashes[intent.digest])
        (log,) = [each for each in receipt["logs"] if each["address"].lower() == pool.address]
        words = bytes.fromhex(log["data"][2:])
        deltas = [int.from_bytes(words[at : at + 32], "big", signed=True) for at in (0, 32)]
        window_s, block = desk.book.limits.twap_window_s, int(receipt["blockNumber"], 16)
        cumulative, _ = read(
            desk.chain, pool.address, "uniswap-v3/UniswapV3Pool", "observe", [window_s, 0], block=block
        )
        price_x96 = sqrt_price_at_tick((cumulative[1] - cumulative[0]) // window_s)
        base_is_0 = desk.book.base < desk.book.quote
        base, quote = deltas if base_is_0 else reversed(deltas)
        worth = (value_in_token1 if base_is_0 else value_in_token0)(abs(base), price_x96)
        loss += quote + (worth if base > 0 else -worth)
    return loss


def phase_of(desk: ChainDesk, intent: SubmitTransaction) -> str:
    """An allowance belongs to what is made with it."""
    later = [each.step for each in desk.said(SubmitTransaction) if each.made_at == intent.made_at]
    return next(step for step in later if step != "approve")


@pytest.mark.parametrize("name", POOLS)
def test_what_a_plan_that_ended_in_the_middle_had_allowed_is_taken_back(
    chain: Chain, world: World, name: str
) -> None:
    """The mint is refused until the policy's time is over; the position manager may take nothing from then on."""
    desk = desk_on(chain, world, name, "hold_and_alert")
    push(desk, ether=130)
    until_pending(desk, "mint")
    roomy = desk.limits
    desk.limits = replace(roomy, budget=replace(roomy.budget, max_notional=1))
    ended = until_closed(desk)
    assert isinstance(ended, Stalled)
    assert ended.phase == "mint"
    assert any(allowances(desk))
    assert not liquid(desk)
    for _ in range(4):
        desk.block()
    assert allowances(desk) == [0, 0, 0, 0]
    assert [i.step for i in desk.done][-1] == "reset"
    assert is_tracked(desk)


def test_where_the_price_limit_cuts_a_swap_short_the_book_goes_in_steps(chain: Chain, world: World) -> None:
    """A swap of which nothing fits into the window about the mean is refused; as soon as a part of it fits that part is made."""
    desk = desk_on(chain, world, POOLS[1], "wait", max_slippage_bps=9)
    push(desk, ether=300)
    before = deviation(desk)
    for _ in range(40):
        desk.block()
    assert {each.reason for each in desk.said(StepRefused)} == {"swap_limited"}
    opened = desk.said(PlanOpened)
    assert opened[0].cut_short.startswith("the price limit ")
    target = desk.book.strategy.target_share_bps
    for each in opened:
        assert abs(each.share_after_bps - target) <= abs(each.share_before_bps - target) - 100, "a hysteresis"
    assert {each.outcome for each in desk.said(PlanClosed)} == {Done()}
    assert deviation(desk) <= desk.book.strategy.band_bps < before
    assert len(liquid(desk)) == 1
    assert not desk.refusals
