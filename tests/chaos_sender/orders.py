"""Faults between the request of a hedge's order and its end, and the conditions once the short is at its target."""

import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec
from chaos_sender.faults import Found, judge
from chaos_sender.legs import BLOWS, Legs, strange_ends
from chaos_sender.points import POINTS, SAW, Point
from chaos_sender.setting import BOOK
from perp_house import PerpHouse
from worlds.toy_perp.forms import OrderSaid, decode_perp_log
from worlds.toy_perp.keeper import KeeperDoes

from pipeline import keys
from pipeline.advance.books import stock_of
from pipeline.decide.hedging import hedge_trigger
from pipeline.messages.base import RawLog
from pipeline.messages.orders import Cancelled, Executed, Order, Requested, UnknownOrder
from pipeline.messages.policy import Policy
from pipeline.units import Address, Hash, LogIndex

Strike = Callable[[PerpHouse], Awaitable[None]]

RATIOS = ("65%", "50%", "35%", "20%")
"""Wanted one after another, and then again from the first: of four orders three are for less."""
_REQUESTS = frozenset({"increase", "decrease"})
_NEXT_PHASE = "SubmitTransaction"
"""What is commanded without a plan's being opened."""
_CANCELLED = re.compile(r"order (\d+) was cancelled")
"""What is told of a plan whose order was."""


class Stage(NamedTuple):
    """What an order comes to."""

    keeper: KeeperDoes
    state: type[Requested | Executed | Cancelled | UnknownOrder]


STAGES: Mapping[str, Stage] = {
    "requested": Stage("executes", Requested),
    "executed": Stage("executes", Executed),
    "cancelled": Stage("cancels", Cancelled),
    "unknown": Stage("takes", UnknownOrder),
}
TOUCHED: Mapping[str, Point] = {
    "watcher, before its append": Point("watch", "BlockSeen, before the append"),
    "watcher, after its append": Point("watch", "BlockSeen, after the append"),
    "worker folds it": Point("work", "folds BlockSeen"),
    "worker, before its commit": Point("work", "anything, before the commit"),
    "worker, after its commit": Point("work", "anything, after the commit"),
}
"""Where a process may die on the way of the block in which the keeper touches an order."""


# ------------------------------------------------------------------ the strikes
async def dies_on_the_way(house: PerpHouse, point: Point) -> None:
    """Let a process die at a point of the way of an order for less, whose plan requests it first of all, or where a plan must have another phase of an order for more."""
    if point.fuse.startswith(_NEXT_PHASE):
        await comes_to_rest(house, RATIOS[-1])
    elif wanted(house) == RATIOS[-1]:
        await comes_to_rest(house, RATIOS[0])
    staff = house.staff[point.process]
    if point.fuse.startswith(SAW):
        kind = point.fuse.removeprefix(SAW)
        seen = house.story.seen[kind]
        await wants_another(house)
        await house.until(lambda: house.story.seen[kind] > seen, f"{kind} is said")
        staff.kill()
        return
    staff.arm(point.fuse)
    await _until_dead(house, point)


async def dies_once_touched(house: PerpHouse, stage: str, point: Point) -> None:
    """Let a process die at a point of the way of the block in which the keeper touches the order."""
    keeper = house.book.keeper
    keeper.does = STAGES[stage].keeper
    keeper.before = partial(house.staff[point.process].arm, point.fuse)
    await _until_dead(house, point)


async def _until_dead(house: PerpHouse, point: Point) -> None:
    staff = house.staff[point.process]
    await wants_another(house)
    try:
        await house.until(lambda: staff.is_dead, f"{point.process} dies: {point.fuse}")
    finally:
        staff.disarm()


async def struck_once(house: PerpHouse, stage: str, blow: str) -> None:
    """Kill a process, or take up to ten blocks away, once the shard knows that the order has come to a stage."""
    before, it = house.order(), STAGES[stage]
    house.book.keeper.does = it.keeper

    def has_come() -> bool:
        order = house.order()
        is_new = order is not None and (before is None or order.number != before.number)
        return is_new and isinstance(order and order.state, it.state | Executed)

    await wants_another(house)
    await house.until(has_come, f"an order is {stage}")
    order = house.order()
    house.verdicts[f"strikes at an order that was {stage}"] += isinstance(order and order.state, it.state)
    await BLOWS[blow](house)


# ------------------------------------------------------------------ what the book wants
def wanted(house: PerpHouse) -> str:
    """Tell the ratio of the policy in force."""
    policy = house.twin.tables.need(keys.policy(BOOK), Policy)
    assert policy.hedge
    return f"{policy.hedge.ratio_bps // 100}%"


async def wants_another(house: PerpHouse) -> None:
    """Want the next ratio, and let the chain go on."""
    now = wanted(house)
    at = RATIOS.index(now) + 1 if now in RATIOS else 0
    await house.apply(ratio=RATIOS[at % len(RATIOS)])
    house.flowing.set()


async def comes_to_rest(house: PerpHouse, ratio: str = "") -> None:
    """Want a ratio, if one is given, and go on until the short is as it is wanted, no plan is open and no order waits."""
    if ratio:
        await house.apply(ratio=ratio)
    house.flowing.set()

    def rests() -> bool:
        if house.has_open_plan or not house.story.has_ended_all or ratio not in {"", wanted(house)}:
            return False
        policy, held = house.twin.tables.need(keys.policy(BOOK), Policy), house.held()
        return not held.waits and hedge_trigger(house.twin, policy, stock_of(house.twin, policy)) is None

    await house.until(rests, f"the short is {ratio or 'as it is wanted'}")


async def judged(house: PerpHouse, strike: Strike) -> Found:
    """Strike, and judge all that the order has led to once the short is as it is wanted."""
    ends = {staff.kind: len(staff.ends) for staff in house.staff.values()}
    began_at = (await house.head()).number
    await strike(house)
    house.verdicts["orders struck"] += 1
    struck_s = time.monotonic()
    await comes_to_rest(house)
    took_s = time.monotonic() - struck_s
    house.book.keeper.does = "executes"
    found = await judge(house)
    wrong = [
        *found.wrong,
        *await house.on_chain(wrong_of_orders, house, began_at),
        *strange_ends(house, ends),
    ]
    return msgspec.structs.replace(found, took_s=took_s, wrong=wrong)


def _acts() -> Iterator[tuple[str, Strike]]:
    for name, point in POINTS.items():
        yield name, partial(dies_on_the_way, point=point)
    for stage in STAGES:
        for blow in BLOWS:
            yield f"{blow} once {stage}", partial(struck_once, stage=stage, blow=blow)
        if stage != "requested":
            for name, point in TOUCHED.items():
                yield f"{stage}: {name}", partial(dies_once_touched, stage=stage, point=point)


ORDERS: Legs = {f"order: {name}": partial(judged, strike=strike) for name, strike in _acts()}


# ------------------------------------------------------------------ what must be true
def wrong_of_orders(house: PerpHouse, began_at: int) -> list[str]:
    """Hold orders and position against the chain, and each block since against the signer's file. Nothing must be mined."""
    return [
        *_wrong_ends(house),
        *_asked_again(house, began_at),
        *_wrong_position(house),
        *_wrong_blocks(house, began_at),
    ]


def _wrong_ends(house: PerpHouse) -> Iterator[str]:
    """Each order that the branch has was asked for by one mined intent, and has one end, which the shard knows."""
    said = list(orders_said(house))
    asked = list(_requests_mined(house))
    requested = [order.number for order in said if isinstance(order.state, Requested)]
    if len(set(asked)) != len(asked) or sorted(set(requested)) != sorted(requested):
        yield f"orders {requested} were requested by the intents {asked}"
    if len(requested) != len(asked):
        yield f"{len(requested)} orders were requested by {len(asked)} transactions: one that was open met another"
    for number in requested:
        ends = [o.state for o in said if o.number == number and isinstance(o.state, Executed | Cancelled)]
        if len(ends) != 1:
            yield f"order {number} has the ends {ends}"
    last, known = next(reversed(said), None), house.order()
    if known is None or last is None or (known.number, known.state) != (last.number, last.state):
        yield f"the shard knows {known}, the chain says {last}"
    told = {
        int(number)
        for course in house.story.course.values()
        for number in _CANCELLED.findall("\n".join(course))
    }
    for never in told - house.book.keeper.cancelled:
        yield f"order {never} was told to be cancelled, and its keeper never did that"


def _asked_again(house: PerpHouse, began_at: int) -> Iterator[str]:
    """Name what was ordered at a block, on the branch still, at whose end the chain had an order of which it did not say what became: the venue refuses that, another may not."""
    for digest, intent in house.story.intents.items():
        at = intent.made_at
        if intent.step not in _REQUESTS or at.number < began_at:
            continue
        block = house.chain.rpc("eth_getBlockByNumber", hex(at.number), False)
        if block and block["hash"] == at.hash:
            order = house.book.perp.order_of(house.chain, house.owner, block=at.number)
            if order:
                yield f"{intent.step} {digest} was commanded at {at.number}, while order {order} was open"


def _requests_mined(house: PerpHouse) -> Iterator[str]:
    """List the intents whose requests the branch has, also those that failed there."""
    story = house.story
    for hash_, (digest, attempt) in story.attempts.items():
        is_request = not attempt.cancels and story.intents[digest].step in _REQUESTS
        if is_request and house.chain.rpc("eth_getTransactionReceipt", hash_) is not None:
            yield digest


def _wrong_position(house: PerpHouse) -> Iterator[str]:
    size, collateral, _ = house.book.perp.truth(house.chain, house.owner)
    held = house.held()
    if (held.size, held.collateral) != (size, collateral):
        yield f"the shard knows {held.size} and {held.collateral}, not {size} and {collateral}"


def _wrong_blocks(house: PerpHouse, began_at: int) -> Iterator[str]:
    for block in range(began_at, house.chain.header().number + 1):
        yield from (f"block {block}: {fault}" for fault in house.book.faults_of_block(house.chain, block))


def orders_said(house: PerpHouse) -> Iterator[Order]:
    """List what the branch says of the owner's orders, in order."""
    wanted: dict[str, Any] = {"fromBlock": "0x0", "toBlock": "latest", "address": house.book.perp.at}
    for log in house.chain.rpc("eth_getLogs", wanted):
        fact = decode_perp_log(
            RawLog(
                address=Address(log["address"]),
                topics=tuple(log["topics"]),
                data=log["data"],
                log_index=LogIndex(int(log["logIndex"], 16)),
                transaction_hash=Hash(log["transactionHash"]),
                transaction_index=int(log["transactionIndex"], 16),
            )
        )
        if isinstance(fact, OrderSaid) and fact.owner == house.owner:
            yield fact.order
