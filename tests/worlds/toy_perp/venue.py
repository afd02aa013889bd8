"""The toy future's pipeline half, and its kind. Books are hedged there, and trade elsewhere."""

from collections.abc import Iterator, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from pipeline.book.exposures import Exposure, HeldItem
from pipeline.hedge.pause_after_liquidation import pause_liquidated
from pipeline.hedge.port import HedgeVenue
from pipeline.messages.account_alerts import AccountLiquidated
from pipeline.messages.base import BlockRef, Output, TokenAmount
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.orders import Requested, UnknownOrder
from pipeline.messages.policy import Policy
from pipeline.messages.read_values import CallRead
from pipeline.state.policies import policies
from pipeline.state.provenance import Provenance
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import RawAmount
from pipeline.venues.acting import VenueActions
from pipeline.venues.block_call import BlockCall
from pipeline.venues.compare import field_differences
from pipeline.venues.port import Items, VenueForms, VenueKind, VenueViews
from pipeline.venues.usual_answers import NamedItemsOnly, NoPools
from worlds.toy_perp.block import PerpBlock, PerpInterest
from worlds.toy_perp.forms import (
    Liquidated,
    PerpAccount,
    PerpAccountObserved,
    PerpMarket,
    PerpMarketObserved,
    PerpNow,
    decode_perp_log,
    perp_account,
    perp_market,
    perp_now,
)
from worlds.toy_perp.hedge import hedge_at
from worlds.toy_perp.rules import PerpAt


class ToyPerp(NamedItemsOnly, NoPools):
    actions: VenueActions | None = None
    views: VenueViews | None = None

    def __init__(self, chain: ChainProfile, spec: VenueSpec) -> None:
        del chain
        self.name, self._contract = spec.name, spec.contract("future")
        self.hedge: HedgeVenue | None = hedge_at(self._contract)

    # -------------------------------------------------------------- which items are followed
    def named_items(self, policy: Policy) -> Iterator[str]:
        yield perp_market(self._contract)
        yield perp_account(self._contract, policy.owner)

    def item_of_entry(self, key: str) -> str | None:
        if key in (perp_market(self._contract), perp_now(self._contract)):
            return perp_market(self._contract)
        return key if key.startswith(perp_account.under(self._contract) + "/") else None

    # -------------------------------------------------------------- logs and reads
    def interest(self, tables: Tables) -> PerpInterest:
        del tables
        return PerpInterest(self._contract)

    def block_calls(self, tables: Tables) -> Sequence[BlockCall]:
        del tables
        return ()

    def write_answers(self, tables: Tables, block: BlockRef, answers: Sequence[CallRead]) -> None:
        del answers
        tables.put(perp_now(self._contract), PerpNow(at_s=block.timestamp_s))

    def writes_time(self, tables: Tables) -> bool:
        """Funding grows with it."""
        return bool(policies(tables))

    def begin_block(self, shard: Shard, items: Items, event: BlockSeen) -> PerpBlock:
        return PerpBlock(shard, items, self._contract, event.block.timestamp_s)

    def unsolicited(self, shard: Shard, event: BlockSeen, now: Provenance) -> Iterator[Output]:
        """Tell a liquidation of a book's account, and pause the book."""
        books = {policy.owner: policy for policy in policies(shard.tables)}
        for log in event.logs:
            fact = decode_perp_log(log) if log.address == self._contract else None
            policy = books.get(fact.owner) if isinstance(fact, Liquidated) else None
            if policy is not None and isinstance(fact, Liquidated):
                pause_liquidated(shard, policy, event, log.transaction_hash)
                item = perp_account(self._contract, policy.owner)
                left = shard.tables.need(item, PerpAccount).margin
                yield AccountLiquidated(
                    **now.stamp("alert", item, action=f"liquidated {log.log_index}"),
                    book=policy.book,
                    item=item,
                    transaction_hash=log.transaction_hash,
                    liquidator=fact.by,
                    repaid=TokenAmount(token=policy.base, amount=fact.size),
                    seized=TokenAmount(token=policy.quote, amount=RawAmount(fact.taken)),
                    bonus=None,
                    collateral_left=(TokenAmount(token=policy.quote, amount=RawAmount(left)),),
                    debt_left=(),
                    health_bps=None,
                )

    def reads(self) -> tuple[type[Observed], ...]:
        return PerpMarketObserved, PerpAccountObserved

    def write_read(self, shard: Shard, event: Observed) -> None:
        """Take a read; of an order that it does not have any more it does not say what became."""
        match event:
            case PerpMarketObserved():
                shard.tables.put(event.item, event.state)
                shard.tables.put(perp_now(self._contract), PerpNow(at_s=event.block.timestamp_s))
            case PerpAccountObserved():
                before = shard.tables.find(event.item, PerpAccount)
                order = None if before is None else before.order
                state = event.state
                if state.order is None and order is not None and order.waits:
                    state = replace(state, order=replace(order, state=UnknownOrder()))
                elif state.order is not None and order is not None and state.order.number == order.number:
                    state = replace(state, order=replace(order, state=state.order.state))
                shard.tables.put(event.item, state)

    def differences(self, shard: Shard, event: Observed) -> list[str]:
        match event:
            case PerpMarketObserved():
                market = shard.tables.find(event.item, PerpMarket)
                return [] if market is None else list(field_differences("", market, event.state))
            case PerpAccountObserved():
                ours = shard.tables.find(event.item, PerpAccount)
                if ours is None:
                    return []
                if ours.order is not None:
                    # how large it was before is ours alone; the contract forgets what has ended, and may forget what it no longer tells of
                    is_there = event.state.order is not None or isinstance(ours.order.state, Requested)
                    ours = (
                        replace(ours, order=replace(ours.order, size_before=UNSET))
                        if is_there
                        else replace(ours, order=None, limit=0)
                    )
                return list(field_differences("", ours, event.state))
        return []

    # -------------------------------------------------------------- what a book has, and at which price
    def unreported_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        del shard, policy
        yield from ()

    def watched(self, policy: Policy) -> Iterator[str]:
        yield from self.named_items(policy)
        yield perp_now(self._contract)

    def held_items(self, shard: Shard, policy: Policy) -> Sequence[HeldItem]:
        tables, item = shard.tables, perp_account(self._contract, policy.owner)
        market, account, now = (
            tables.find(perp_market(self._contract), PerpMarket),
            tables.find(item, PerpAccount),
            tables.find(perp_now(self._contract), PerpNow),
        )
        if market is None or account is None or now is None:
            return tables.derived(f"perp-held/{policy.book}", (), tuple)
        rows = (
            Exposure(
                token=policy.quote,
                kind="collateral",
                amount=RawAmount(PerpAt(market, now.at_s).collateral(account)),
            ),
            Exposure(token=policy.base, kind="debt", amount=RawAmount(-account.size)),
        )
        return tables.derived(
            f"perp-held/{policy.book}",
            (market, account, now),
            lambda: (HeldItem(item=item, exposures=tuple(row for row in rows if row.amount)),),
        )


KIND = VenueKind(
    make=ToyPerp,
    contracts=("future",),
    items=(perp_market.family, perp_account.family),
    held=(perp_market.family, perp_account.family),
    forms=VenueForms(
        reads=(PerpMarketObserved, PerpAccountObserved),
        entries={
            perp_market.family: PerpMarket,
            perp_account.family: PerpAccount,
            perp_now.family: PerpNow,
        },
    ),
)
