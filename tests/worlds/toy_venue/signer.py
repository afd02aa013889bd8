"""The toy venue's signer half: its list of calls, and the loss in tokens and shares together."""

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from math import ceil
from typing import Annotated

import msgspec
from pydantic import Field

from pipeline.errors import UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.units import Address, PoolId, RawAmount
from pipeline.venues.abi import declared
from streams.portfolio.fields import Addr, Pool
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

_LISTED = Functions(("trade(bytes32,int256,int256)", "deposit(bytes32,uint256,uint256)"))
_POOL = declared("pool(bytes32)", "address", "address", "uint256", "uint256", "uint256", "uint256", "uint256")
_SHARES = declared("sharesOf_(bytes32,address)", "uint256")
_MOVED_TOPIC = f"0x{0x7002:064x}"


class ToyFields(VenueFields):
    contract: Addr
    pools: Annotated[tuple[Pool, ...], Field(min_length=1)]
    token0: Addr
    token1: Addr

    def names_pool(self, pool: PoolId) -> bool:
        return pool in self.pools


class ToyVenueTerms(msgspec.Struct, frozen=True, kw_only=True):
    contract: Address
    pools: tuple[PoolId, ...]
    pair: tuple[Address, Address]
    name: str = "toy"

    @property
    def contracts(self) -> Collection[Address]:
        return {self.contract}

    @property
    def tokens(self) -> Sequence[Address]:
        return self.pair

    def spenders(self, token: Address) -> Collection[Address]:
        return {self.contract} if token in self.pair else ()

    def read_calls(self, to: Address, data: bytes, owner: Address) -> Iterator[KnownCall]:
        del owner  # nobody else can be acted for
        name, arguments = _LISTED.read(to, data)
        if "0x" + arguments[0].hex() not in self.pools:
            raise Refusal("limits", f"{name} in pool 0x{arguments[0].hex()}: not on the list")
        yield KnownCall(to=to, function=name, arguments=arguments, is_action=True, follows_prices=True)

    def questions(self, owner: Address) -> Sequence[StateQuestion]:
        return [
            StateQuestion(self.contract, _SHARES.encode(bytes.fromhex(pool[2:]), owner))
            for pool in self.pools
        ]

    def touched(self, owner: Address, effect: Effect) -> str | None:
        of_owner = f"0x{owner[2:]:0>64}"
        for log in effect.logs:
            if log.address == self.contract and log.topics[0] == _MOVED_TOPIC and log.topics[2] == of_owner:
                return f"shares of {log.topics[1]}"
        return None

    def counts(self, log: SimulatedLog) -> bool:
        del log
        return False

    def bind(self, judging: Judging) -> Appraiser:
        return ToyAppraiser(self, judging)


class ToyAppraiser:
    def __init__(self, terms: ToyVenueTerms, judging: Judging) -> None:
        self._terms, self._judging = terms, judging
        self._node, self._limits = judging.node, judging.limits

    async def read_ahead(self, calls: Sequence[KnownCall], head: BlockRef) -> None:
        del calls, head

    async def appraise(self, judged: JudgedIntent) -> Cost:
        """Value tokens and shares at the pool's weights, before and after. Raises: Refusal."""
        weights = await self._weights(judged)
        moved = judged.effect.moved(self._limits.wrapped_native)
        parts = [
            weight * moved.pop(token, 0) for token, weight in zip(self._terms.pair, weights, strict=True)
        ]
        if moved:
            raise Refusal("limits", f"{sorted(moved)} are not tokens of the pool")
        for before, after in judged.effect.answers:  # a share is a unit of weighted value
            parts.append(_shares(after) - _shares(before))
        leaves, loss = -sum(part for part in parts if part < 0), -sum(parts)
        if loss * 10_000 > leaves * self._limits.max_loss_bps:
            raise Refusal("limits", f"it may lose {loss * 10_000 // leaves} bps of what leaves")
        price = max(await self._judging.prices(self._terms.pair[1], judged.head)) / weights[1]
        return Cost(loss=RawAmount(ceil(max(loss, 0) * price)), notional=RawAmount(ceil(leaves * price)))

    async def prices(self, token: Address, head: BlockRef) -> Sequence[Fraction]:
        """Price nothing: its weights are whatever somebody gave the pool."""
        del token, head
        return ()

    async def _weights(self, judged: JudgedIntent) -> tuple[int, int]:
        (call,) = judged.calls
        answer = await self._node.call(
            self._terms.contract, _POOL.encode(call.arguments[0]), judged.head.hash
        )
        _, _, weight0, weight1, *_ = _POOL.answer(answer)
        return weight0, weight1


def _shares(answer: bytes) -> int:
    try:
        (shares,) = _SHARES.answer(answer)
    except UnreadableError as error:
        raise Refusal("market", str(error)) from None
    return int(shares)


async def read_terms(reading: FileReading) -> ToyVenueTerms | None:
    if not reading.sections:
        return None
    (fields,) = reading.sections
    assert isinstance(fields, ToyFields)
    return ToyVenueTerms(contract=fields.contract, pools=fields.pools, pair=(fields.token0, fields.token1))


SIGNER_HALF = SignerHalf(section=ToyFields, read=read_terms)
