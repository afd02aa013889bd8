"""A live deployment under a forger who writes to every topic: nothing is signed that the owner's file does not allow."""

import signal
from collections import Counter
from pathlib import Path

import msgspec
from chaos_sender.allowed import Allowed
from chaos_sender.forger import Forger
from chaos_sender.house import House

from streams.topics import EVENTS, INTENTS, NONCES

_SHOVE = 0.012
_SAFE = (INTENTS, NONCES, EVENTS, INTENTS, NONCES)
"""What the signer reads: here a forger has the most to win."""


class Robbery(msgspec.Struct, kw_only=True):
    """What a forger tried, and what came of it."""

    written: Counter[str]
    fenced: int
    signatures: int
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
        for number in range(rounds):
            house.move_price(house.dice.choice((-_SHOVE, _SHOVE)))
            last = number == rounds - 1
            await (forger.write(records) if last else forger.write(records, _SAFE))
            if house.dice.random() < 0.7:
                await forger.fence()
            else:
                submit.signal(signal.SIGKILL)
            await allowed.look()
        await house.on_chain(house.devnet.flow.block)
        await allowed.look()
    finally:
        await forger.close()
        await allowed.close()
    return Robbery(
        written=forger.written,
        fenced=forger.fenced,
        signatures=len(allowed.signatures) - before,
        wrong=allowed.wrong,
        log=submit.last_words(40),
    )


def signer_file(house: House) -> Path:
    return house.folder / "signer.yaml"
