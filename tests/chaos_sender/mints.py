"""A book's own mint, removed by a reorg of any depth: it comes back once, and the book's state follows."""

import time
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import msgspec
from chaos_sender.faults import Found, judge
from chaos_sender.house import House

from pipeline.messages.transactions import SubmitTransaction

MOST_DEPTH = 10
_SHOVE = 0.015
_QUIET_BLOCKS = 8
"""So long nothing may come of a shove before the next: in `by_hand`'s 120 blocks the price leaves any range of the book."""


async def mint_is_taken_away(house: House, depth: int) -> Found:
    """Remove the block of a mint and all later ones, and return what is wrong then and after the plan's end."""
    mint = await commanded(house, "mint")
    await house.by_hand(lambda: house.is_mined(mint.digest), "the mint is mined")
    (was,) = await house.on_chain(receipts, house, mint.digest)
    for _ in range(depth - 1):
        await house.on_chain(house.block)
    began_s = time.monotonic()
    await house.on_chain(house.chain.reorg, depth)
    wrong = await _on_the_new_branch(house, mint, gone=was["blockHash"])
    found = await judge(house)
    wrong += [*found.wrong, *await _at_the_end(house, mint)]
    return msgspec.structs.replace(found, took_s=time.monotonic() - began_s, wrong=wrong)


async def _on_the_new_branch(house: House, mint: SubmitTransaction, *, gone: str) -> list[str]:
    await house.settle()
    # the same bytes may be in the new branch already
    there = await house.on_chain(receipts, house, mint.digest)
    found = await house.compare()
    wrong = {
        "the mint's block is still there": gone in {receipt["blockHash"] for receipt in there},
        f"the book knows {house.is_mined(mint.digest)} of its mint, {there} is mined": house.is_mined(
            mint.digest
        )
        != bool(there),
        f"on the new branch {found.lost} outputs are lost and {found.doubled} doubled": found.lost
        or found.doubled,
    }
    return [what for what, is_so in wrong.items() if is_so] + found.wrong


async def _at_the_end(house: House, mint: SubmitTransaction) -> list[str]:
    """Judge the effect: the signer may cancel the mint that was taken away, at risen fees say, and then another takes its place."""
    mints = [i.digest for i in house.story.intents.values() if (i.plan, i.step) == (mint.plan, "mint")]
    return wrong_of([await house.on_chain(fate_of, house, digest) for digest in mints])


class Fate(NamedTuple):
    """What became of one of a plan's mints."""

    minted: int
    """Its transactions that are mined and succeeded."""
    came_to_nothing: bool
    """It was refused or dropped, or it reverted, or a cancellation of it is mined."""


def fate_of(house: House, digest: str) -> Fate:
    story = house.story
    own = {hash_: attempt for hash_, (of, attempt) in story.attempts.items() if of == digest}
    found = {hash_: house.chain.rpc("eth_getTransactionReceipt", hash_) for hash_ in own}
    mined = [(own[hash_].cancels, receipt["status"] == "0x1") for hash_, receipt in found.items() if receipt]
    return Fate(mined.count((False, True)), bool(story.ends.get(digest) or set(mined) - {(False, True)}))


def wrong_of(fates: Sequence[Fate]) -> list[str]:
    """Tell what is wrong with a plan's mints: one has its effect, once, and each other one surely has none."""
    minted, open_still = sum(each.minted for each in fates), Fate(0, came_to_nothing=False)
    wrong = {
        f"{minted} mints of the plan are mined": minted != 1,
        f"{fates.count(open_still)} of the plan's mints are neither mined nor refused": open_still in fates,
        "a mint is mined and came to nothing": any(each.minted and each.came_to_nothing for each in fates),
    }
    return [what for what, is_so in wrong.items() if is_so]


async def commanded(house: House, step: str) -> SubmitTransaction:
    """Mine until the next such step is sent and waits; while no plan is open, the fair price goes on one way, every few blocks."""
    known, change, idle = set(house.story.intents), house.dice.choice((-_SHOVE, _SHOVE)), count()

    def shove() -> None:
        if not house.has_open_plan and next(idle) % _QUIET_BLOCKS == 0:
            house.move_price(change)

    def found() -> list[SubmitTransaction]:
        new = (intent for digest, intent in house.story.intents.items() if digest not in known)
        return [i for i in new if i.step == step and i.digest in house.story.sent]

    what = f"a {step} is commanded, where the price moves by {change:+.1%} in every {_QUIET_BLOCKS} blocks without a plan"
    await house.by_hand(found, what, before_block=shove)
    return found()[-1]


def receipts(house: House, digest: str) -> list[dict[str, str]]:
    """List the receipts of all transactions that were signed for an intent."""
    asked = (house.chain.rpc("eth_getTransactionReceipt", hash_) for hash_ in hashes_of(house, digest))
    return [receipt for receipt in asked if receipt is not None]


def hashes_of(house: House, digest: str) -> set[str]:
    """Name all transactions that were signed for an intent."""
    return {hash_ for hash_, (of, _) in house.story.attempts.items() if of == digest}
