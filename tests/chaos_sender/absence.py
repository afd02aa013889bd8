"""A long absence of worker and signer: after their return nothing is sent for past blocks."""

import asyncio

import msgspec
from chaos_sender.faults import Found, judge
from chaos_sender.house import House

LONG_BLOCKS = 2_000
_CHUNK_BLOCKS = 100
_QUIET_BLOCKS = 9
"""So many empty ones after each with orders."""


async def is_away(house: House, blocks: int) -> Found:
    """Let worker and signer miss a number of blocks, and return what they do wrong after their return."""
    await house.come_to_rest()
    before = set(house.story.intents)
    began = (await house.head()).number
    await house.staff["work"].leave()
    await house.staff["submit"].leave()
    while (await house.head()).number < began + blocks:
        await house.on_chain(_chunk, house)
        await _until_logged(house)
    head = (await house.head()).number

    house.staff["submit"].start()
    house.staff["work"].start()
    await house.settle()
    await house.until(lambda: not house.unsent, "everything is answered")
    await asyncio.sleep(1)
    await house.look()
    wrong = _wrong(house, before, head)
    found = await judge(house)
    return msgspec.structs.replace(found, wrong=[*wrong, *found.wrong])


def _wrong(house: House, before: set[str], head: int) -> list[str]:
    """Name what should not have come of the absence."""
    story = house.story
    new = [intent for digest, intent in story.intents.items() if digest not in before]
    old = [i for i in new if i.made_at.number < head - i.max_age_blocks]
    sent_late = [i.digest for i in old if i.digest in story.sent or i.digest in story.hashes]
    ends = {end for i in old for end in story.ends[i.digest]}
    sent = [i.digest for i in new if i.digest in story.sent]
    wrong = {
        "there was nothing to propose on the way": not old,
        f"sent for old blocks: {sent_late}": sent_late,
        f"intents of old blocks ended otherwise: {ends}": ends != {"refused: expired"},
        f"more than one of the new ones is sent: {sent}": len(sent) > 1,
    }
    return [what for what, is_so in wrong.items() if is_so]


async def _until_logged(house: House) -> None:
    head, page = await house.head(), house.ledger.pages[house.shard]
    await house.until(lambda: page.tables.head and page.tables.head.hash == head.hash, "the log has the head")


def _chunk(house: House) -> None:
    """Mine some blocks, orders in some of them only."""
    for _ in range(_CHUNK_BLOCKS // (_QUIET_BLOCKS + 1)):
        house.devnet.flow.block()
        house.chain.rpc("anvil_mine", hex(_QUIET_BLOCKS), hex(12))
