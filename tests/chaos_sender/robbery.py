"""A live deployment under a forger who writes to every topic: nothing is signed that the owner's file does not allow."""

import asyncio
import signal
from collections import Counter

import msgspec
from chaos_sender.allowed import Allowed
from chaos_sender.forger import Forger
from chaos_sender.house import House

from pipeline.errors import CommitError, FencedError
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import EVENTS, INTENTS, NONCES, TOPICS
from streams.submit.journal_commands import set_aside
from streams.submit.signer import devnet_signer

_SHOVE = 0.012
_SAFE = (INTENTS, NONCES, EVENTS, INTENTS, NONCES)
"""What the signer reads: here a forger has the most to win."""
_ALL = tuple(TOPICS.values())
_FIRST_TIMES = 3
"""So many times as many intents are forged at first, while nobody has paused anything."""


class Robbery(msgspec.Struct, kw_only=True):
    """What a forger tried, and what came of it."""

    written: Counter[str]
    fenced: int
    signatures: int
    forged: Counter[str]
    """By contract, the forged intents that were signed: within the owner's file, as `wrong` tells."""
    halted: int
    """How often there was something in the journal that an operator had to set aside."""
    wrong: list[str]
    log: str


async def is_robbed(house: House, *, rounds: int, records: int) -> Robbery:
    """Forge for some rounds, with deaths of the signer in between; nothing of the house is of use afterwards."""
    allowed = Allowed(house, house.folder / "signer.yaml")
    forger = Forger(house, house.dice)
    submit = house.staff["submit"]
    house.flowing.set()
    try:
        await allowed.look()
        before = len(allowed.signatures)
        halted = 0
        for number in range(rounds):
            house.move_price(house.dice.choice((-_SHOVE, _SHOVE)))
            if not number:
                await forger.write(records * _FIRST_TIMES, (INTENTS,))
            else:
                await forger.write(records, _ALL if number == rounds - 1 else _SAFE)
            if house.dice.random() < 0.7:
                await forger.fence()
            else:
                submit.signal(signal.SIGKILL)
            halted += await _set_aside(house)
            await allowed.look()
        await house.on_chain(house.devnet.flow.block)
        await allowed.look()
    finally:
        await forger.close()
        await allowed.close()
    signed = list(allowed.signatures.values())[before:]
    return Robbery(
        written=forger.written,
        fenced=forger.fenced,
        signatures=len(signed),
        forged=Counter(each.to for each in signed if (each.to, "0x" + each.data.hex()) in forger.asked),
        halted=halted,
        wrong=allowed.wrong,
        log=submit.last_words(40),
    )


async def _set_aside(house: House) -> bool:
    """Do what an operator does once the signer has halted; its keeper starts it all the while, and may be first."""
    signer = devnet_signer(house.owner, house.chain_id)
    async with asyncio.timeout(60):
        while True:
            try:
                return bool(await set_aside(KafkaAccess(house.bootstrap), house.chain_id, signer))
            except (FencedError, CommitError):
                await asyncio.sleep(0.1)
