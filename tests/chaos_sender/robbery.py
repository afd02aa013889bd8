"""A live deployment with a forger who writes to every topic: nothing is signed that the owner's file does not allow."""

import asyncio
import itertools
import signal
from collections import Counter

import msgspec
from chaos_sender.allowed import Allowed
from chaos_sender.answers import Answers
from chaos_sender.forger import Forger
from chaos_sender.house import PARTITIONS, House
from chaos_sender.setting import BOOK

from pipeline import keys
from pipeline.errors import CommitError, FencedError
from pipeline.messages.events import Resumed
from pipeline.units import ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.topics import EVENTS, INTENTS, NONCES, TOPICS
from streams.policy_rollout import append, appending
from streams.submit.journal_commands import set_aside
from streams.submit.signer import devnet_signer

_SHOVE = 0.012
_SAFE = (INTENTS, NONCES, EVENTS, INTENTS, NONCES)
"""What the signer reads: here a forger has the most to win."""
_ALL = tuple(TOPICS.values())
_FIRST_TIMES = 3
"""So many times as many intents are forged at first."""


class Robbery(msgspec.Struct, kw_only=True):
    """What a forger tried, and what came of it."""

    written: Counter[str]
    fenced: int
    signatures: int
    forged: Counter[str]
    """By contract, the forged intents that were signed: within the owner's file, as `wrong` tells."""
    answers: Counter[str]
    """What the signer answered to the forged intents."""
    halted: int
    """How often there was something in the journal that an operator had to set aside."""
    wrong: list[str]
    log: str


async def is_robbed(house: House, *, rounds: int, records: int) -> Robbery:
    """Forge for some rounds, with deaths of the signer in between; the deployment is unusable afterwards."""
    allowed = Allowed(house, house.folder / "signer.yaml")
    forger = Forger(house, house.dice)
    answers = Answers(house)
    submit = house.staff["submit"]
    house.flowing.set()
    try:
        await allowed.look()
        before = len(allowed.signatures)
        halted = 0
        for number in range(rounds):
            house.move_price(house.dice.choice((-_SHOVE, _SHOVE)))
            await _resume(house)
            await forger.write(records // 2 if number else records * _FIRST_TIMES, (INTENTS,))
            if number:
                await forger.write(records, _ALL if number == rounds - 1 else _SAFE)
            if house.dice.random() < 0.7:
                await forger.fence()
            else:
                submit.signal(signal.SIGKILL)
            halted += await _set_aside(house)
            await allowed.look()
        await house.on_chain(house.devnet.flow.block)
        await allowed.look()
        await answers.read()
    finally:
        await answers.close()
        await forger.close()
        await allowed.close()
    signed = list(allowed.signatures.values())[before:]
    return Robbery(
        written=forger.written,
        fenced=forger.fenced,
        signatures=len(signed),
        forged=Counter(each.to for each in signed if (each.to, "0x" + each.data.hex()) in forger.asked),
        answers=answers.to(forger.digests),
        halted=halted,
        wrong=allowed.wrong,
        log=submit.last_words(40),
    )


async def _resume(house: House) -> None:
    """Do what an operator does who finds everything paused, in each shard's log: the forger may have said it in any."""
    async with appending(KafkaAccess(house.bootstrap)) as producer:
        for shard, scope in itertools.product(range(PARTITIONS), (keys.ALL, keys.book(BOOK))):
            word = Resumed(scope=scope, reason="nobody of ours has paused it", by="an operator")
            await append(producer, house.chain_id, ShardId(shard), word)


async def _set_aside(house: House) -> bool:
    """Do what an operator does once the signer has halted; its keeper starts it all the while, and may be first."""
    signer = devnet_signer(house.owner, house.chain_id)
    async with asyncio.timeout(60):
        while True:
            try:
                return bool(await set_aside(KafkaAccess(house.bootstrap), house.chain_id, signer))
            except (FencedError, CommitError):
                await asyncio.sleep(0.1)
