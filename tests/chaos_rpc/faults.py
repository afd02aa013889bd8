"""The faults of a node between a watcher and its chain, by name: its answers, and whether and with which message the watcher waits."""

import random
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from chaos.proxy import Lags, NodeProxy, Nulls, Question, Reply, StandsStill, TakesBatchesOf, Trouble, Waits
from chaos_rpc import lies

from streams.devnet.chain import Chain


class Place(msgspec.Struct, kw_only=True):
    """Where a fault strikes, and its dice."""

    proxy: NodeProxy
    chain: Chain
    dice: random.Random
    other_chain: Chain | None = None
    """Has parted from the chain, where a fault needs that."""


Makes = Callable[[Place, str], Trouble]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of trouble."""

    makes: Makes
    says: str
    """What the words for it match, in the log's `HeadStalled` or of the client."""
    hides: Literal["heads", "blocks", "nothing"]
    """Which questions have no answer that can be taken."""
    lies: bool = False
    """Whether each of its answers must be refused as false."""
    blocks: int = 4
    setups: tuple[str, ...] = ()
    """In which alone it strikes; in all, where none is named."""
    parts: bool = False
    """Whether another chain is needed."""


class Answers(Trouble):
    """Every request is answered with the same reply of HTTP."""

    def __init__(self, status: int, body: bytes, *, only: str | None = None, **headers: str) -> None:
        super().__init__(only=only)
        self._reply = (status, body, headers)

    async def before_all(self, questions: list[Question]) -> None:
        del questions
        self.met += 1
        status, body, headers = self._reply
        raise Reply(status, body, **headers)


class TakesRangesOf(TakesBatchesOf):
    """Requests of more than some calls are refused with providers' messages about ranges and results."""

    WORDS = (
        (-32005, "query returned more than 10000 results"),
        (-32602, "block range is too large: eth_getLogs is limited to 1000 blocks"),
        (-32600, "batch too large"),
        (-32000, "exceed maximum block range: 5000"),
        (-32603, "response size exceeded 10485760 bytes"),
    )

    def __init__(self, most: int, dice: random.Random, *, only: str | None = None) -> None:
        super().__init__(most, only=only)
        self.code, self.message = dice.choice(self.WORDS)


def _false_receipts(falsify: lies.Falsify) -> Makes:
    return lambda place, only: lies.FalseReceipts(falsify, place.dice, only=only)


def _replies(status: int, body: bytes = b"", **headers: str) -> Makes:
    return lambda _, only: Answers(status, body, only=only, **headers)


def _for(trouble: Trouble, only: str) -> Trouble:
    trouble.only = only
    return trouble


def _lags(place: Place, only: str) -> Trouble:
    return _for(Lags(place.dice.randrange(1, 9), place.dice, place.proxy), only)


def _stopped(place: Place, only: str) -> Trouble:
    back = place.dice.choice((0, 2, 5))
    return _for(StandsStill(place.chain.header().number - back, place.proxy), only)


def _parted(place: Place, only: str) -> Trouble:
    assert place.other_chain is not None
    return lies.OnAnotherBranch(place.other_chain.url, only=only)


_FALSE = r"contradicts itself|not those that its header commits to"
_BUSY = r"is busy|wants no questions"

FAULTS: Mapping[str, Fault] = {
    "log left out": Fault(
        makes=_false_receipts(lies.leaves_out_a_log), says=_FALSE, hides="blocks", lies=True
    ),
    "log edited": Fault(makes=_false_receipts(lies.edits_a_log), says=_FALSE, hides="blocks", lies=True),
    "logs shuffled": Fault(makes=_false_receipts(lies.shuffles_logs), says=_FALSE, hides="blocks", lies=True),
    "log doubled": Fault(makes=_false_receipts(lies.doubles_a_log), says=_FALSE, hides="blocks", lies=True),
    "failure told as success": Fault(
        makes=_false_receipts(lies.turns_a_failure), says=_FALSE, hides="blocks", lies=True
    ),
    "receipts null": Fault(
        makes=lambda place, only: lies.HalfIndexed(place.dice, short=False, only=only),
        says="but not what follows on block",
        hides="blocks",
    ),
    "receipts short": Fault(
        makes=lambda place, only: lies.HalfIndexed(place.dice, short=True, only=only),
        says=r"contradicts itself about block \d+ .*: \d+ receipts of \d+ transactions|but not what follows on block",
        hides="blocks",
        lies=True,
    ),
    "header changed": Fault(
        makes=lambda place, only: lies.FalseHeaders(place.dice, only=only),
        says="is not the header of its hash",
        hides="heads",
        lies=True,
    ),
    "block invented": Fault(
        makes=lambda _, only: lies.InventsABlock(only=only),
        says="",
        hides="nothing",
        setups=("one of three",),
    ),
    "on another branch": Fault(
        makes=_parted,
        says="different branches",
        hides="heads",
        setups=("one of three", "one of two that must agree"),
        parts=True,
    ),
    "blocks null": Fault(
        makes=lambda _, only: _for(Nulls(), only), says="has no newest block", hides="heads"
    ),
    "frozen": Fault(
        makes=lambda _, only: Waits(only=only), says=r"no answer within|no answer 1 s", hides="heads"
    ),
    "429": Fault(makes=_replies(429, b"slow down"), says=_BUSY, hides="heads"),
    "429, Retry-After": Fault(makes=_replies(429, b"{}", Retry_After="2"), says=_BUSY, hides="heads"),
    "429 in JSON": Fault(
        makes=_replies(
            200, b'{"jsonrpc":"2.0","id":0,"error":{"code":429,"message":"compute units exceeded"}}'
        ),
        says=_BUSY,
        hides="heads",
    ),
    "5xx": Fault(makes=_replies(502, b"<html>bad gateway</html>"), says=r"HTTP 502", hides="heads"),
    "a page": Fault(makes=_replies(200, b"<!doctype html><p>hello"), says="web page", hides="heads"),
    "half a JSON": Fault(
        makes=_replies(200, b'{"jsonrpc":"2.0","id":0,"result":{"number":"0x'),
        says="is no JSON-RPC",
        hides="heads",
        lies=True,
    ),
    "ranges limited": Fault(
        makes=lambda place, only: TakesRangesOf(place.dice.choice((1, 2)), place.dice, only=only),
        says="",
        hides="nothing",
        blocks=25,
        setups=("alone", "all of three"),
    ),
    "long outage": Fault(
        makes=_replies(503, b"<html>not now</html>"), says="HTTP 503", hides="heads", blocks=50
    ),
    "balancer with replicas behind": Fault(makes=_lags, says="", hides="nothing", blocks=12),
    "replica that has stopped": Fault(makes=_stopped, says=r"shows no block after|is behind", hides="heads"),
}


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How many nodes there are, how many must agree, and how many have the trouble."""

    nodes: int = 1
    quorum: int = 1
    troubled: int = 1

    def stops(self, fault: Fault) -> bool:
        """Ask whether nothing can be followed while a fault lasts."""
        if fault.hides == "nothing":
            return False
        if self.troubled == self.nodes:
            return True
        return fault.hides == "heads" and self.nodes - self.troubled < self.quorum


SETUPS: Mapping[str, Setup] = {
    "alone": Setup(),
    "one of two": Setup(nodes=2),
    "one of two that must agree": Setup(nodes=2, quorum=2),
    "one of three": Setup(nodes=3, quorum=2),
    "all of three": Setup(nodes=3, quorum=2, troubled=3),
}
