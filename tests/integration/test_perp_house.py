"""A book that its portfolio file hedges at a venue other than a lending market, with all processes: executed, cancelled and unknown orders."""

import asyncio
import random

import pytest
from chaos_sender.faults import judge
from chaos_sender.orders import ORDERS, RATIOS, wanted
from chaos_sender.points import PROCESSES
from chaos_sender.setting import BOOK
from hedged_play import ETHER
from msgspec.structs import replace
from perp_desk import know_perps
from perp_house import STALL_BLOCKS, PerpHouse, opened

from pipeline.messages.dry_run import OrderAwaited
from pipeline.messages.effects import DryRuns
from pipeline.messages.orders import Cancelled, Executed, Order, Requested, UnknownOrder
from pipeline.messages.outcomes import Done, Stalled

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.asyncio]

SEED = 3
STRIKES = 2
"""Of the campaign's on an order's way, which plays all."""


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    know_perps(monkeypatch)


async def requested(house: PerpHouse, ratio: str) -> Order:
    """Want another ratio, and go on until an order for it is requested, which nobody carries out."""
    house.book.keeper.does = "rests"
    await house.apply(ratio=ratio)
    await house.by_hand(lambda: (order := house.order()) is not None and order.waits, "an order is requested")
    order = house.order()
    assert order is not None
    return order


async def rests(house: PerpHouse) -> None:
    """Go on until the last plan is done and its hedge as the file wants it."""
    house.book.keeper.does = "executes"
    await house.by_hand(
        lambda: not house.has_open_plan and list(house.story.plans.values())[-1:] == [[Done()]],
        "the plan is done",
    )
    await house.is_true()


@pytest.mark.timeout(900)
async def test_a_portfolio_file_hedges_a_book_at_a_future_and_each_order_has_one_effect(tmp_path) -> None:
    async with opened(tmp_path, SEED) as house:
        told = await house.cli("check", "portfolio.yaml")
        assert "alpha future toy_perp 0%" in " ".join(told.split())
        await killed_between_request_and_execution(house)
        await shown(house)
        struck = await strikes(house)
        await cancelled(house)
        await unknown(house)
        await said(house)
        found = await judge(house)
        assert (found.lost, found.doubled, found.wrong) == ([], [], [])
        orders = await house.on_chain(house.book.perp.orders, house.chain)
        assert orders == struck + 6, (
            "one for each ratio, and one again after each cancellation: none was requested twice"
        )
        await rehearsed(house)


async def killed_between_request_and_execution(house: PerpHouse) -> None:
    """Whoever dies while an order waits, it is carried out once, and taken in once."""
    order = await requested(house, "65%")
    assert (order.number, order.change > 10 * ETHER) == ("1", True)
    for kind in PROCESSES:
        house.staff[kind].kill()
    await house.sends(house.book.perp.execute(house.owner))
    await rests(house)
    assert house.order() == replace(order, state=Executed(size=order.change))
    assert house.held().size == order.change
    assert [len(house.mined_steps(step)) for step in ("deposit", "increase", "decrease")] == [1, 1, 0]
    assert all(staff.deaths >= 1 for staff in house.staff.values())


async def shown(house: PerpHouse) -> None:
    """The screens know the position as they know a debt."""
    (told,) = await house.objects("hedge")
    assert told["book"] == BOOK
    assert told["hedge"]["size"] == str(house.held().size)
    assert told["hedge"]["order"]["state"] == {"kind": "executed", "size": str(house.held().size)}
    (book,) = await house.objects("inventory")
    rows = {each["token"]: each for each in book["holdings"]}
    quote = house.world.usdc_of(house.world.pool(house.pool))
    assert int(rows[house.world.weth]["debt"]) == -house.held().size
    assert int(rows[quote]["collateral"]) == house.held().collateral
    text = await house.cli("hedge")
    assert "within its band" in text
    assert "lending market" not in text


async def strikes(house: PerpHouse) -> int:
    """Play some of the campaign's; return how many orders were requested meanwhile."""
    before = await house.on_chain(house.book.perp.orders, house.chain)
    for name in random.Random(SEED).sample(list(ORDERS), STRIKES):
        found = await ORDERS[name](house)
        assert (found.lost, found.doubled, found.wrong) == ([], [], []), name
    assert house.verdicts["orders struck"] == STRIKES
    return await house.on_chain(house.book.perp.orders, house.chain) - before


async def cancelled(house: PerpHouse) -> None:
    """A cancellation is published with its reason, and the step is made again after its wait."""
    size = house.held().size
    order = await requested(house, "20%")
    assert order.change < 0
    await house.sends(house.book.perp.cancel(house.owner, "maintenance"))
    await house.by_hand(lambda: not house.has_open_plan, "the plan has ended")
    assert house.order() == replace(order, state=Cancelled(reason="maintenance"))
    assert house.held().size == size
    last = list(house.story.plans.values())[-1]
    assert last == [Stalled(phase="settle", reason="order_cancelled")]
    assert "maintenance" in await house.cli("hedge")
    await rests(house)
    assert house.held().size < size


async def unknown(house: PerpHouse) -> None:
    """An unknown order has no consequence until the chain shows its end, whichever process restarts."""
    size = house.held().size
    order = await requested(house, "50%")
    await house.sends(house.book.perp.take(house.owner))
    await house.by_hand(lambda: not house.has_open_plan, "the plan has ended")
    assert list(house.story.plans.values())[-1] == [Stalled(phase="settle", reason="order_unknown")]
    house.staff["work"].kill()
    plans, head = len(house.story.plans), (await house.head()).number
    await house.by_hand(
        lambda: house.chain.header().number > head + 2 * STALL_BLOCKS, "twice the time has passed"
    )
    assert (len(house.story.plans), house.held().size) == (plans, size)
    assert house.order() == replace(order, state=UnknownOrder())
    assert f"does not say what became of order {order.number}" in await house.cli("hedge")
    await house.sends(house.book.perp.execute(house.owner))
    house.book.keeper.does = "executes"
    await asyncio.sleep(0)
    await house.settle()
    assert house.held().size == size + order.change
    await house.is_true()


async def said(house: PerpHouse) -> None:
    """An operator's statement ends an order whose end the chain will never show; repeated it changes nothing, and one that the venue contradicts is refused."""
    size = house.held().size
    order = await requested(house, "65%")
    await house.sends(house.book.perp.take(house.owner), house.book.perp.lose(house.owner))
    await house.by_hand(lambda: not house.has_open_plan, "the plan has ended")
    (book,) = await house.objects("inventory")
    assert any("`evenkeel settle`" in mark for mark in book["marks"])
    settle = ("settle", "alpha", order.number)
    assert "nothing of it was executed" in await house.cli(*settle, "executed", "--yes", code=1)
    assert "--yes" in await house.cli(*settle, "cancelled", code=1), "nobody is asked"
    told = await house.cli(*settle, "cancelled", "--yes", "--reason", "the venue says so")
    assert "counts as cancelled from here on" in told
    await house.until(lambda: not house.held().waits, "the word is taken in")
    assert "nothing is appended" in await house.cli(*settle, "cancelled", "--yes")
    assert "the venue says so" in await house.cli("hedge")
    await rests(house)
    assert house.held().size > size
    last = house.order()
    assert last is not None
    assert int(last.number) == int(order.number) + 1


async def rehearsed(house: PerpHouse) -> None:
    """A proposal in dry-run is tried until it waits for the keeper, and published once although the process dies; nothing is ordered."""
    before = await house.on_chain(house.book.perp.orders, house.chain)
    ratio = RATIOS[0] if wanted(house) != RATIOS[0] else RATIOS[-1]
    await house.apply(ratio=ratio, mode="dry-run")
    staff = house.rehearses()
    await house.by_hand(
        lambda: house.twin.tables.find(f"dry-run/{BOOK}", DryRuns), "a proposal is to be tried"
    )
    await house.until(lambda: "tries proposals" in staff.log.read_text(), "the process is at work")
    staff.kill()
    await house.until(lambda: house.story.tried, "a proposal was tried")
    (tried,) = house.story.tried
    run = tried.run
    assert (run.outcome, run.refusal) == ("waits", None), run
    assert isinstance(run.awaits, OrderAwaited)
    assert (run.awaits.order.number, run.awaits.order.state) == (str(before + 1), Requested())
    assert all(step.succeeded for step in run.steps)
    assert staff.deaths >= 1
    found = await judge(house)
    assert (found.lost, found.doubled, found.wrong) == ([], [], [])
    assert await house.on_chain(house.book.perp.orders, house.chain) == before
    assert house.story.tried == [tried]
