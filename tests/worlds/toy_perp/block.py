"""The toy future within one block, and the logs that concern a shard there."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from pipeline.errors import ImpossibleFactError
from pipeline.messages.base import RawLog
from pipeline.messages.events import BlockSeen
from pipeline.messages.facts import Fact
from pipeline.messages.orders import Executed
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount, Seconds
from pipeline.venues.log_interest import LogFilter, LogWords
from pipeline.venues.port import Decoder, Items
from worlds.toy_perp.forms import (
    KNOWN_TOPICS,
    FundingSet,
    Liquidated,
    MarginMoved,
    OfAccount,
    OrderSaid,
    PerpAccount,
    PerpMarket,
    PerpNow,
    PriceSet,
    decode_perp_log,
    owner_of,
    perp_account,
    perp_market,
    perp_now,
)
from worlds.toy_perp.rules import PerpAt


class PerpInterest(msgspec.Struct, frozen=True):
    """All of the contract's: everybody's orders fill its cap."""

    contract: Address

    def emitters(self) -> frozenset[Address]:
        return frozenset({self.contract})

    def words(self) -> Sequence[LogWords]:
        return (LogWords(frozenset({self.contract}), KNOWN_TOPICS),)

    def filter_for(self, logs: Sequence[RawLog]) -> LogFilter:
        del logs
        return lambda log: log.address == self.contract and not KNOWN_TOPICS.isdisjoint(log.topics[:1])

    def brings_items(self, logs: Sequence[RawLog]) -> bool:
        del logs
        return False


class PerpBlock:
    def __init__(self, shard: Shard, items: Items, contract: Address, at_s: Seconds) -> None:
        self.swaps: list[tuple[RawLog, Fact]] = []
        self._tables, self._items, self._contract, self._at_s = shard.tables, items, contract, at_s
        self._market = shard.tables.find(perp_market(contract), PerpMarket)
        self._accounts: dict[str, PerpAccount] = {}

    def decoder(self, emitter: Address) -> Decoder | None:
        return decode_perp_log if emitter == self._contract else None

    def item_of(self, log: RawLog) -> str:
        owner = owner_of(log)
        item = perp_market(self._contract) if owner is None else perp_account(self._contract, owner)
        return item if self._tables.find(item, PerpAccount) else perp_market(self._contract)

    def apply(self, log: RawLog, fact: Fact) -> None:
        del log
        if self._market is None:
            return  # not read yet
        if isinstance(fact, OfAccount):
            self._account(fact)
        match fact:
            case PriceSet():
                self._market = replace(self._market, price=fact.price)
            case FundingSet():
                self._market = replace(self._market, rate=fact.rate, index=fact.index, index_at_s=self._at_s)
            case Liquidated():
                self._opened(-fact.size)
            case OrderSaid() if isinstance(fact.order.state, Executed):
                self._opened(fact.order.change)

    def _opened(self, more: int) -> None:
        assert self._market is not None
        self._market = replace(self._market, open=RawAmount(self._market.open + more))
        if self._market.open < 0:
            raise ImpossibleFactError(f"all sizes together would be {self._market.open}")

    def _account(self, fact: OfAccount) -> None:
        assert self._market is not None
        item = perp_account(self._contract, fact.owner)
        before = self._accounts.get(item) or self._tables.find(item, PerpAccount)
        if before is None or self._items.is_closed(item):
            return
        now = PerpAt(self._market, self._at_s)
        match fact:
            case MarginMoved():
                self._accounts[item] = now.moved(before, fact)
            case Liquidated():
                self._accounts[item] = now.liquidated(before, fact)
            case OrderSaid():
                self._accounts[item] = now.said(before, fact)

    def spread_failures(self) -> None:
        """An account whose market fails keeps its value, and is not decided on."""

    def write(self, event: BlockSeen) -> None:
        if self._market is None or self._items.failed(perp_market(self._contract)):
            return
        self._tables.put(perp_market(self._contract), self._market)
        self._tables.put(perp_now(self._contract), PerpNow(at_s=event.block.timestamp_s))
        for item, account in self._accounts.items():
            if not self._items.failed(item):
                self._tables.put(item, account)
