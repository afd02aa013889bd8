"""The faults of a running deployment's node, by name, each with its duration and the messages that it must cause."""

import random
from collections.abc import Callable, Mapping

import msgspec
from chaos.proxy import (
    AT_A_HASH,
    BLOCKS,
    Nulls,
    Question,
    Refuses,
    Says,
    StandsStill,
    TakesBatchesOf,
    TakesNoOverrides,
    Trouble,
    Waits,
)
from chaos_sender.house import House

_EVERYTHING = (
    *BLOCKS,
    *AT_A_HASH,
    "eth_simulateV1",
    "eth_getTransactionCount",
    "eth_feeHistory",
    "eth_getTransactionReceipt",
    "eth_getCode",
)
LONG_S = 75.0
"""Longer than a standstill goes without a word."""
_SHORT_S = 12.0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of trouble."""

    makes: Callable[[House], list[Trouble]]
    lasts_s: float = _SHORT_S
    stops: bool = False
    """Whether nothing can be followed meanwhile: a standstill of the shard must then be reported, with its cause."""
    avoided: bool = False
    """Whether processes go another way once they know of it, and may not meet it, or have a word for it, a second time."""


class Scrambles(Trouble):
    """Some answers are cut in the middle, whatever was asked."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice

    async def after(self, question: Question, answer: Question) -> Question:
        if self._dice.random() > 0.2 or question["method"] not in _EVERYTHING:
            return answer
        self.met += 1
        return {**answer, "result": "0x123"}


def _some(house: House, *methods: str, code: int, message: str, share: float = 0.3) -> list[Trouble]:
    return [Says(*methods, code=code, message=message, dice=house.dice, share=share)]


def _missing(*methods: str) -> list[Trouble]:
    return [Says(*methods, code=-32601, message="the method does not exist/is not available")]


def _behind(house: House) -> list[Trouble]:
    back = house.dice.choice((3, 20, 90))
    at = house.stands_at  # the chain itself is asked by one at a time
    assert at is not None
    return [StandsStill(max(at.number - back, house.first_block), house.proxy)]


CASES: Mapping[str, Case] = {
    "limited inside HTTP 200": Case(
        makes=lambda h: _some(h, *_EVERYTHING, code=429, message="slow down, compute units exceeded")
    ),
    "limited by another code": Case(
        makes=lambda h: _some(h, *_EVERYTHING, code=-32016, message="over the limit")
    ),
    "pages, halves and 5xx": Case(makes=lambda h: [Refuses(h.dice, share=0.3)]),
    "header not found": Case(
        makes=lambda h: _some(h, *AT_A_HASH, "eth_simulateV1", code=-32000, message="header not found")
    ),
    "blocks are null": Case(makes=lambda _: [Nulls()]),
    "answers of another shape": Case(makes=lambda h: [Scrambles(h.dice)]),
    "receipts of blocks fail": Case(
        makes=lambda _: [Says("eth_getBlockReceipts", code=-32603, message="Internal error")], avoided=True
    ),
    "receipts of blocks are missing": Case(makes=lambda _: _missing("eth_getBlockReceipts"), avoided=True),
    "batches of three": Case(makes=lambda _: [TakesBatchesOf(3)], avoided=True),
    "no simulation": Case(makes=lambda _: _missing("eth_simulateV1"), lasts_s=25.0),
    "no simulation, no overrides": Case(
        makes=lambda _: [*_missing("eth_simulateV1"), TakesNoOverrides()], lasts_s=25.0
    ),
    "sending is limited": Case(
        makes=lambda _: [Says("eth_sendRawTransaction", code=429, message="slow down")],
        lasts_s=20.0,
    ),
    "a replica that has stopped": Case(makes=_behind, lasts_s=LONG_S, stops=True),
    "no answer at all": Case(makes=lambda _: [Waits()], lasts_s=LONG_S, stops=True),
    "no receipts of any kind": Case(
        makes=lambda _: _missing("eth_getBlockReceipts", "eth_getTransactionReceipt"),
        lasts_s=LONG_S,
        stops=True,
    ),
}
