"""A book's own mint, taken away by a reorg of any depth: it comes back once, and the book knows where it stands."""

import time

import msgspec
from chaos_sender.faults import Found, judge
from chaos_sender.house import House

from pipeline.messages.transactions import SubmitTransaction

MOST_DEPTH = 10
_SHOVE = 0.015


async def mint_is_taken_away(house: House, depth: int) -> Found:
    """Take the block of a mint and what came after it away, and tell what is wrong then and once the plan has ended."""
    mint = await commanded(house, "mint")
    await house.by_hand(lambda: house.is_mined(mint.digest), "the mint is mined")
    (was,) = await house.on_chain(receipts, house, mint.digest)
    for _ in range(depth - 1):
        await house.on_chain(house.devnet.flow.block)
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
    there = await house.on_chain(receipts, house, mint.digest)
    mints = [i for i in house.story.intents.values() if i.plan == mint.plan and i.step == "mint"]
    wrong = {
        f"the mint has {len(there)} receipts": len(there) != 1,
        "others of the plan's mints were not refused": [
            i for i in mints if not house.story.ends.get(i.digest)
        ]
        != [mint],
    }
    return [what for what, is_so in wrong.items() if is_so]


async def commanded(house: House, step: str) -> SubmitTransaction:
    """Mine until the next such step is sent and waits."""
    known = set(house.story.intents)
    house.move_price(_SHOVE)

    def found() -> list[SubmitTransaction]:
        new = (intent for digest, intent in house.story.intents.items() if digest not in known)
        return [i for i in new if i.step == step and i.digest in house.story.sent]

    await house.by_hand(found, f"a {step} is commanded")
    return found()[-1]


def receipts(house: House, digest: str) -> list[dict[str, str]]:
    """List the receipts of all transactions that were signed for an intent."""
    asked = (house.chain.rpc("eth_getTransactionReceipt", hash_) for hash_ in hashes_of(house, digest))
    return [receipt for receipt in asked if receipt is not None]


def hashes_of(house: House, digest: str) -> set[str]:
    """Name all transactions that were signed for an intent."""
    return {hash_ for hash_, (of, _) in house.story.attempts.items() if of == digest}
