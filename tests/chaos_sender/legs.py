"""Faults of a hedged book between two legs of its plans, and the conditions once its hedge is at its target."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec
from chaos_sender.faults import Found, judge
from chaos_sender.hedged import LEAST_HEALTH, MOST_WETH, HedgedBook
from chaos_sender.house import House
from chaos_sender.points import PROCESSES, Process
from hedged_desk import DEPLOY
from hedged_play import ETHER

from pipeline.advance.books import stock_of
from pipeline.decide.hedging import hedge_trigger, position_of

Blow = Callable[[House], Awaitable[None]]

UP, DOWN = ("supply", "borrow", "sell"), ("buy", "repay", "withdraw")
"""The legs of a plan that takes a hedge on, and of one that ends it, in order."""
PAIRS = (("supply", "borrow"), ("borrow", "sell"), ("buy", "repay"))
"""Legs that go out together."""
_MOST_DEPTH = 10
_LATEST_S = 0.6
"""A block of the flow, about: the next leg is sent by then or mined."""
_SOON_S = 0.02
_BETWEEN = "strikes at a hedge's plan before its next leg was mined"
UNSENT = "strikes at a hedge's plan with the first of two legs sent and the second not"
_UNSIGNED = "strikes at a hedge's plan between the signatures of two legs that go out together"


async def dies(house: House, process: Process) -> None:
    """Kill a process before, while or after the next leg is commanded, signed and mined."""
    await asyncio.sleep(house.dice.random() * _LATEST_S)
    house.staff[process].kill()


async def is_reorged(house: House) -> None:
    depth = house.dice.randint(1, _MOST_DEPTH)
    house.verdicts[f"reorgs {depth:2} deep"] += 1
    await house.on_chain(house.chain.reorg, depth)


BLOWS: Mapping[str, Blow] = {
    **{f"{process} dies": partial(dies, process=process) for process in PROCESSES},
    "a reorg, 1 to 10 deep,": is_reorged,
}


async def struck_behind(house: House, leg: str, blow: str) -> Found:
    """Let the hedge be taken on, or ended, strike once a leg of that is mined, and judge all of it at its end."""
    known = set(house.story.intents)

    async def strike() -> None:
        await house.until(lambda: is_mined(house, leg, known), f"a {leg} of the hedge is mined")
        await BLOWS[blow](house)
        later = (*UP, *DOWN)[(*UP, *DOWN).index(leg) + 1 :][: len(UP) - 1]
        house.verdicts[_BETWEEN] += house.has_open_plan and not any(
            is_mined(house, each, known) for each in later
        )

    return await _struck(house, leg, known, strike)


async def struck_between(house: House, pair: tuple[str, str], blow: str) -> Found:
    """Strike once the first of two legs that go out together is signed, and judge all of it at its end."""
    (first, second), known = pair, set(house.story.intents)

    async def strike() -> None:
        await house.until(
            lambda: is_signed(house, first, known), f"a {first} of the hedge is signed", poll_s=_SOON_S
        )
        house.verdicts[_UNSIGNED] += not is_signed(house, second, known)
        await BLOWS[blow](house)

    return await _struck(house, first, known, strike)


async def struck_unsent(house: House, pair: tuple[str, str]) -> Found:
    """Let the signer die with the first of two legs at the node and the second signed at most, and judge all of it at its end."""
    first, second = pair
    submit, known = house.staff["submit"], set[str]()

    async def strike() -> None:
        submit.arm(f"offers {second}")
        try:
            await house.until(lambda: submit.is_dead, f"the signer dies before it sends the {second}")
        finally:
            submit.disarm()
        sent = any(digest in house.story.sent for digest in _new(house, second, known))
        house.verdicts[UNSENT] += not sent

    return await _struck(house, first, known, strike)


async def _struck(
    house: House, leg: str, known: set[str], strike: Callable[[], Coroutine[Any, Any, None]]
) -> Found:
    """Let the hedge be taken on, or ended, as the leg has it. `known`: intents that are to count for none of that."""
    wants_it = leg in UP
    await comes_to(house, hedged=not wants_it)
    ends = {staff.kind: len(staff.ends) for staff in house.staff.values()}
    known |= set(house.story.intents)
    began_at = (await house.head()).number
    await house.apply(book_of(house).hedging() if wants_it else book_of(house).policy())
    await strike()
    struck_s = time.monotonic()
    await comes_to(house, hedged=wants_it)
    took_s = time.monotonic() - struck_s
    found = await judge(house)
    wrong = [*found.wrong, *await house.on_chain(wrong_of_hedge, house, began_at), *strange_ends(house, ends)]
    return msgspec.structs.replace(found, took_s=took_s, wrong=wrong)


def strange_ends(house: House, before: Mapping[Process, int]) -> Iterator[str]:
    for staff in house.staff.values():
        codes = [code for code in staff.ends[before[staff.kind] :] if code != -signal.SIGKILL]
        yield from (f"{staff.kind} ended by itself: {code}" for code in codes)


def book_of(house: House) -> HedgedBook:
    assert isinstance(house.book, HedgedBook)
    return house.book


async def comes_to(house: House, *, hedged: bool) -> None:
    """Put the policy in force under which the hedge is taken on, or ends, and go on until it is so and no plan is open."""
    policy = book_of(house).hedging() if hedged else book_of(house).policy()
    await house.apply(policy)
    house.flowing.set()

    def has_come() -> bool:
        if house.has_open_plan or not house.story.has_ended_all:
            return False
        held, stock = position_of(house.twin, policy), stock_of(house.twin, policy)
        return bool(held.size) == hedged and hedge_trigger(house.twin, policy, stock) is None

    await house.until(has_come, f"the hedge is {'taken on' if hedged else 'ended'}")


def is_mined(house: House, leg: str, known: set[str]) -> bool:
    return any(house.is_mined(digest) for digest in _new(house, leg, known))


def is_signed(house: House, leg: str, known: set[str]) -> bool:
    return any(house.story.hashes.get(digest) for digest in _new(house, leg, known))


def _new(house: House, leg: str, known: set[str]) -> Iterator[str]:
    intents = house.story.intents.items()
    return (digest for digest, intent in intents if intent.step == leg and digest not in known)


Legs = Mapping[str, partial[Coroutine[Any, Any, Found]]]

LEGS_AT: Mapping[str, Legs] = {
    version: {
        f"hedge at Aave {version}: {blow} behind a {leg}": partial(struck_behind, leg=leg, blow=blow)
        for leg in (*UP, *DOWN)
        for blow in BLOWS
    }
    | {
        f"hedge at Aave {version}: {blow} between a {pair[0]} and the {pair[1]} behind it": partial(
            struck_between, pair=pair, blow=blow
        )
        for pair in PAIRS
        for blow in BLOWS
        if blow != "submit dies"
    }
    | {
        f"hedge at Aave {version}: submit dies with a {pair[0]} sent and the {pair[1]} behind it not": partial(
            struck_unsent, pair=pair
        )
        for pair in PAIRS
    }
    for version in DEPLOY
}
"""By version of Aave, the same acts."""
LEGS: Legs = {name: act for acts in LEGS_AT.values() for name, act in acts.items()}


# ------------------------------------------------------------------ what must be true
def wrong_of_hedge(house: House, began_at: int) -> list[str]:
    """Hold what the shard knows of the hedge against the chain, and each block since against the signer's file. Nothing must be mined."""
    book, head = book_of(house), house.chain.header().number
    held = position_of(house.twin, book.hedging())
    debt, collateral, _ = book.standing(house.chain, head)
    wrong = []
    if (held.size, held.collateral) != (debt, collateral):
        wrong.append(
            f"the shard knows {held.size} owed and {held.collateral} secured, not {debt} and {collateral}"
        )
    for block in range(began_at, head + 1):
        owed, _, health = book.standing(house.chain, block)
        if owed > MOST_WETH * ETHER or (owed and health < LEAST_HEALTH):
            wrong.append(
                f"block {block}: {owed} is owed at a health of {health:.4f}, beyond the signer's file"
            )
    return wrong
