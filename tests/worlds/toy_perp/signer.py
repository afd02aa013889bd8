"""The toy future's signer half: its list of calls, the largest short, and an account's value before and after."""

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from math import ceil

import msgspec

from pipeline.errors import UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.policy import Policy
from pipeline.units import Address, RawAmount
from pipeline.venues.abi import declared
from streams.portfolio.fields import Addr
from streams.submit.arguments import Functions
from streams.submit.node import SimulatedLog
from streams.submit.simulation import Effect
from streams.submit.venues.port import (
    Appraiser,
    Cost,
    FileReading,
    JudgedIntent,
    Judging,
    KnownCall,
    SignerHalf,
    StateQuestion,
    VenueFields,
)
from streams.submit.verdict import Refusal

_LISTED = Functions(("deposit(uint256)", "withdraw(uint256)", "request(int256,uint256)"))
_ACCOUNT = declared(
    "account(address)", "uint256", "uint256", "int256", "int256", "uint256", "int256", "uint256", "bool"
)
_WORTH = declared("worth(address)", "int256", "int256")
_ONE = 2**96
_ROUNDING = 10


class PerpFields(VenueFields):
    contract: Addr
    base: Addr
    quote: Addr
    largest_size: int
    """Raw base."""
    within_bps: int = 500
    """How far an order's limit may be on the wrong side of any reference price."""
    least_equity_bps: int = 2_000
    """Of the size's worth: what must stand after an order is carried out, and after a withdrawal."""

    def secures(self, policy: Policy) -> bool:
        return bool(policy.hedge) and policy.hedge.venue == self.name


class PerpTerms(msgspec.Struct, frozen=True, kw_only=True):
    fields: PerpFields
    name: str = "toy_perp"

    @property
    def contracts(self) -> Collection[Address]:
        return {self.fields.contract}

    @property
    def tokens(self) -> Sequence[Address]:
        return (self.fields.quote,)

    def spenders(self, token: Address) -> Collection[Address]:
        return {self.fields.contract} if token == self.fields.quote else ()

    def read_calls(self, to: Address, data: bytes, owner: Address) -> Iterator[KnownCall]:
        del owner  # nobody else can be acted for
        name, arguments = _LISTED.read(to, data)
        is_order = name == "request"
        yield KnownCall(
            to=to, function=name, arguments=arguments, is_action=is_order, follows_prices=is_order
        )

    def questions(self, owner: Address) -> Sequence[StateQuestion]:
        at = self.fields.contract
        return [StateQuestion(at, _ACCOUNT.encode(owner)), StateQuestion(at, _WORTH.encode(owner))]

    def touched(self, owner: Address, effect: Effect) -> str | None:
        named = f"0x{owner[2:]:0>64}"
        said = (log for log in effect.logs if log.address == self.fields.contract)
        return f"its account at {self.name}" if any(named in log.topics for log in said) else None

    def counts(self, log: SimulatedLog) -> bool:
        del log
        return False

    def bind(self, judging: Judging) -> Appraiser:
        return PerpAppraiser(self.fields, judging)


class PerpAppraiser:
    def __init__(self, fields: PerpFields, judging: Judging) -> None:
        self._fields, self._judging = fields, judging

    async def read_ahead(self, calls: Sequence[KnownCall], head: BlockRef) -> None:
        del calls, head

    async def appraise(self, judged: JudgedIntent) -> Cost:
        """Let quote go between wallet and margin alone, and no order be larger or dearer than it may be. Raises: Refusal."""
        (call,) = judged.calls
        moved = judged.effect.moved(self._judging.limits.wrapped_native)
        quote = moved.pop(self._fields.quote, 0)
        if moved:
            raise Refusal("limits", f"{sorted(moved)} would move, which the call is not about")
        (_, after), (worth_before, worth_after) = judged.effect.answers
        gone = _equity(worth_before) - _equity(worth_after) - quote
        if gone > _ROUNDING:
            raise Refusal("limits", f"{gone} of quote would go elsewhere")
        price = max(await self._judging.prices(self._fields.quote, judged.head))
        if call.function == "deposit":
            return Cost(notional=RawAmount(ceil(abs(quote) * price)))
        if call.function == "request":
            return await self._order(call, after, worth_after, judged.head)
        await self._secured(_largest(after), _equity(worth_after), judged.head)
        return Cost(loss=RawAmount(ceil(max(gone, 0) * price)), notional=RawAmount(ceil(abs(quote) * price)))

    async def _order(self, call: KnownCall, account: bytes, worth: bytes, head: BlockRef) -> Cost:
        change, limit = call.arguments
        bases = await self._judging.prices(self._fields.base, head)
        quotes = await self._judging.prices(self._fields.quote, head)
        price, slip = Fraction(limit, _ONE), Fraction(self._fields.within_bps, 10_000)
        dear, cheap = max(bases) / min(quotes), min(bases) / max(quotes)
        if not (price >= dear * (1 - slip) if change > 0 else price <= cheap * (1 + slip)):
            raise Refusal("market", f"an order of {change} at {float(price)} is too far from the references")
        size = _read(_ACCOUNT, account)[0] + change
        if change > 0 and size > self._fields.largest_size:
            raise Refusal("limits", f"a short of {size}, more than {self._fields.largest_size}")
        if change > 0:
            await self._secured(size, _equity(worth), head)
        notional = abs(change) * max(bases)
        return Cost(loss=RawAmount(ceil(notional * slip)), notional=RawAmount(ceil(notional)))

    async def _secured(self, size: int, equity: int, head: BlockRef) -> None:
        if not size:
            return
        bases = await self._judging.prices(self._fields.base, head)
        quotes = await self._judging.prices(self._fields.quote, head)
        least = size * max(bases) / min(quotes) * self._fields.least_equity_bps / 10_000
        if equity < least:
            raise Refusal("limits", f"{equity} of quote would secure a size that needs {ceil(least)}")

    async def prices(self, token: Address, head: BlockRef) -> Sequence[Fraction]:
        """Price nothing: the price is the last one that was set."""
        del token, head
        return ()


def _largest(account: bytes) -> int:
    """Tell the size that an account has once an order that may still be executed is."""
    size, _, _, _, _, change, *_ = _read(_ACCOUNT, account)
    return int(size + max(change, 0))


def _equity(answer: bytes) -> int:
    return int(_read(_WORTH, answer)[1])


def _read(asked, answer: bytes) -> tuple:
    try:
        return asked.answer(answer)
    except UnreadableError as error:
        raise Refusal("market", str(error)) from None


async def read_terms(reading: FileReading) -> PerpTerms | None:
    if not reading.sections:
        return None
    (fields,) = reading.sections
    assert isinstance(fields, PerpFields)
    return PerpTerms(fields=fields)


SIGNER_HALF = SignerHalf(section=PerpFields, read=read_terms)
