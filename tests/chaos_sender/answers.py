"""The signer's answers to forged intents: how many were refused by which check."""

import re
from collections import Counter
from collections.abc import Iterable

from chaos.tail import Tail
from chaos_sender.house import House

from pipeline.errors import MalformedRecordError
from pipeline.messages.events import IntentRefused, Signed
from streams.kafka.codec import decode_event
from streams.kafka.topics import EVENTS

SIGNED, PAUSED, UNANSWERED = "signed", "paused", "not answered"
_NUMBER = re.compile(r"0x[0-9a-f]+|\b(?=[a-f]*\d)[0-9a-f]{6,}\b|-?\d[\d.,e+-]*")
_BYTES = re.compile(r": b['\"].*")
_LONGEST = 60


def without_numbers(detail: str) -> str:
    """Leave out of a refusal what only one intent has, and cut it short: numbers, addresses, names and bytes."""
    return _NUMBER.sub("#", _BYTES.sub("", detail))[:_LONGEST]


class Answers:
    """Reads the signer's answers in all logs, whatever else a forger has written there."""

    def __init__(self, house: House) -> None:
        self._tail = Tail(house.bootstrap, [EVENTS.on(house.chain_id)])
        self._said: dict[str, str] = {}

    async def read(self) -> None:
        """Take what has come. Raises: BrokerAwayError."""
        for record in await self._tail.news():
            try:
                event = decode_event(record.value or b"", where=record.where)
            except MalformedRecordError:
                continue
            match event:
                case Signed(intent=intent):
                    self._said[intent] = SIGNED
                case IntentRefused(intent=intent, reason=reason, detail=detail):
                    self._said.setdefault(
                        intent, PAUSED if reason == PAUSED else f"{reason}: {without_numbers(detail)}"
                    )
                case _:
                    pass

    def to(self, intents: Iterable[str]) -> Counter[str]:
        """Count the answers to intents, by reason and what was found, without its numbers."""
        return Counter(self._said.get(intent, UNANSWERED) for intent in intents)

    async def close(self) -> None:
        await self._tail.close()
