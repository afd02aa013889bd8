"""The entries, reads and logs of the toy future."""

from typing import cast

from eth_utils.crypto import keccak

from pipeline import keys
from pipeline.keys import Kind
from pipeline.messages.base import Entry, RawLog
from pipeline.messages.events import Observed
from pipeline.messages.facts import Fact
from pipeline.messages.orders import Cancelled, Executed, Order, Requested, UnknownOrder
from pipeline.units import Address, RawAmount, Seconds
from pipeline.venues.log_words import Shape, address, decode, shape_of, sint, uint

perp_market: Kind[Address] = keys.kind("perp-market", str)
perp_account: Kind[Address, Address] = keys.kind("perp-account", str, str)
perp_now: Kind[Address] = keys.kind("perp-now", str)


# ------------------------------------------------------------------ state
class PerpMarket(Entry, frozen=True, kw_only=True):
    """`perp-market/CONTRACT`. Prices are raw quote per raw base times 2^96, and so is the funding's index."""

    price: int
    rate: int
    """Paid to a short per unit and second."""
    index: int
    index_at_s: Seconds
    open: RawAmount
    """All sizes together."""
    step: RawAmount
    cap: RawAmount


class PerpAccount(Entry, frozen=True, kw_only=True):
    """`perp-account/CONTRACT/owner`."""

    size: RawAmount
    sold: RawAmount
    margin: int
    paid: int
    """The index up to which funding is in the margin."""
    order: Order | None = None
    limit: int = 0
    """The worst price for it."""


class PerpNow(Entry, frozen=True, kw_only=True):
    """`perp-now/CONTRACT`: the last block's time; funding grows with it."""

    at_s: Seconds


class PerpMarketObserved(Observed, frozen=True, kw_only=True, tag=True):
    contract: Address
    state: PerpMarket

    @property
    def item(self) -> str:
        return perp_market(self.contract)


class PerpAccountObserved(Observed, frozen=True, kw_only=True, tag=True):
    contract: Address
    owner: Address
    state: PerpAccount

    @property
    def item(self) -> str:
        return perp_account(self.contract, self.owner)


# ------------------------------------------------------------------ logs
class PriceSet(Fact, frozen=True, kw_only=True):
    price: int


class FundingSet(Fact, frozen=True, kw_only=True):
    rate: int
    index: int


class OfAccount(Fact, frozen=True, kw_only=True):
    """Something of one account."""

    owner: Address


class MarginMoved(OfAccount, frozen=True, kw_only=True):
    change: int


class Liquidated(OfAccount, frozen=True, kw_only=True):
    size: RawAmount
    taken: int
    """Of what stood against it."""
    by: Address


class OrderSaid(OfAccount, frozen=True, kw_only=True):
    """The chain's statement on an order; `order` has its own fields."""

    order: Order
    limit: int = 0
    price: int = 0


def decode_perp_log(log: RawLog) -> Fact | None:
    """Read a log of the contract; None where the topic is another's. Raises: MalformedLogError."""
    shape = shape_of(log, _SHAPES)
    return None if shape is None else decode(log, shape)


def owner_of(log: RawLog) -> Address | None:
    """Tell whose account a log names; None: nobody's."""
    named = len(log.topics) > 1 and log.topics[0] not in {_PRICE_SET, _FUNDING_SET}
    return Address("0x" + log.topics[1][-40:]) if named else None


def _at(log: RawLog) -> dict[str, object]:
    return {"address": log.address, "log_index": log.log_index}


def _said(log: RawLog, words: list[int]) -> Fact:
    """Read `Requested`, `Taken`, `Executed` or `Cancelled`."""
    number, topic, change, second = str(uint(words[1], 256)), log.topics[0], 0, 0
    if topic in {_REQUESTED, _EXECUTED}:
        change, second = sint(words[2], 256), uint(words[3], 256)
    if topic == _REQUESTED:
        order = Order(number=number, change=change, state=Requested())
    elif topic == _EXECUTED:
        order = Order(number=number, change=change, state=Executed(size=RawAmount(change)))
    elif topic == _CANCELLED:
        order = Order(number=number, change=0, state=Cancelled(reason=reason_of(words[2])))
    else:
        order = Order(number=number, change=0, state=UnknownOrder())
    owner = address(words[0])
    return OrderSaid(**_at(log), owner=owner, order=order, limit=second, price=second)  # type: ignore[arg-type]


def _liquidated(log: RawLog, words: list[int]) -> Fact:
    size, taken, by = cast("RawAmount", words[1]), sint(words[2], 256), address(words[3])
    return Liquidated(**_at(log), owner=address(words[0]), size=size, taken=taken, by=by)  # type: ignore[arg-type]


def reason_of(word: int) -> str:
    """Read a short text."""
    return word.to_bytes(32).rstrip(b"\0").decode(errors="replace")


def _topic(text: str) -> str:
    return "0x" + keccak(text=text).hex()


_PRICE_SET, _FUNDING_SET = _topic("PriceSet(uint256)"), _topic("FundingSet(int256,int256)")
_MARGIN_MOVED, _LIQUIDATED = (
    _topic("MarginMoved(address,int256)"),
    _topic("Liquidated(address,uint256,int256,address)"),
)
_REQUESTED = _topic("Requested(address,uint256,int256,uint256)")
_EXECUTED = _topic("Executed(address,uint256,int256,uint256)")
_CANCELLED, _TAKEN = _topic("Cancelled(address,uint256,bytes32)"), _topic("Taken(address,uint256)")
_SHAPES = {
    _PRICE_SET: Shape("PriceSet", 1, 1, lambda log, words: PriceSet(**_at(log), price=words[0])),  # type: ignore[arg-type]
    _FUNDING_SET: Shape(
        "FundingSet",
        1,
        2,
        lambda log, words: FundingSet(**_at(log), rate=sint(words[0], 256), index=sint(words[1], 256)),  # type: ignore[arg-type]
    ),
    _MARGIN_MOVED: Shape(
        "MarginMoved",
        2,
        1,
        lambda log, words: MarginMoved(**_at(log), owner=address(words[0]), change=sint(words[1], 256)),  # type: ignore[arg-type]
    ),
    _LIQUIDATED: Shape("Liquidated", 2, 3, _liquidated),
    _REQUESTED: Shape("Requested", 2, 3, _said),
    _EXECUTED: Shape("Executed", 2, 3, _said),
    _CANCELLED: Shape("Cancelled", 2, 2, _said),
    _TAKEN: Shape("Taken", 2, 1, _said),
}
KNOWN_TOPICS = frozenset(_SHAPES)
