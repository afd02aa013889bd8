"""The wallets as a venue: tokens, the native coin, and the allowances of spenders."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline import keys
from pipeline.book.exposures import Exposure, ExposureKind, HeldItem
from pipeline.hedge.port import HedgeVenue
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.events import BlockSeen, Observed
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import NATIVE, Address
from pipeline.venues.acting import VenueActions
from pipeline.venues.port import Items, VenueForms, VenueKind, VenueViews
from pipeline.venues.usual_answers import NamedItemsOnly, NoPools, NothingPerBlock
from pipeline.venues.wallet import log_filter
from pipeline.venues.wallet.block import WalletBlock
from pipeline.venues.wallet.forms import Balance, BalanceObserved


class _Row(NamedTuple):
    """A balance that a book counts, as which token and kind."""

    item: str
    token: Address
    kind: ExposureKind = "wallet"


class Wallet(NamedItemsOnly, NothingPerBlock, NoPools):
    """The balances of the accounts that books count."""

    views: VenueViews | None = None
    actions: VenueActions | None = None
    hedge: HedgeVenue | None = None

    def __init__(self, chain: ChainProfile, spec: VenueSpec) -> None:
        """Know the chain's wrapped coin, whose deposits and withdrawals are not transfers."""
        self.name = spec.name
        self._chain = chain

    # -------------------------------------------------------------- which items are followed
    def named_items(self, policy: Policy) -> Iterator[str]:
        """List the balances of a policy's accounts in its tokens."""
        for account in policy.accounts:
            for token in policy.tokens:
                yield keys.balance(account, token.address)

    def item_of_entry(self, key: str) -> str | None:
        """Name the balance that an entry is."""
        return key if keys.balance.matches(key) else None

    # -------------------------------------------------------------- logs and reads
    def interest(self, tables: Tables) -> log_filter.WalletInterest:
        """Collect the tokens and accounts that a shard follows now."""
        return log_filter.interest(tables, self._chain)

    def begin_block(self, shard: Shard, items: Items, event: BlockSeen) -> WalletBlock:
        """Open a block's working copies."""
        del event
        return WalletBlock(shard, items)

    def reads(self) -> tuple[type[Observed], ...]:
        """List the message that carries a balance."""
        return (BalanceObserved,)

    def write_read(self, shard: Shard, event: Observed) -> None:
        """Take a read as the truth of its balance."""
        assert isinstance(event, BalanceObserved)
        shard.tables.put(event.item, Balance(amount=event.amount))

    def differences(self, shard: Shard, event: Observed) -> list[str]:
        """Compare a balance; one that is not followed differs from nothing."""
        assert isinstance(event, BalanceObserved)
        ours = shard.tables.find(event.item, Balance)
        if ours is None or ours.amount == event.amount:
            return []
        return [f"amount: {ours.amount}, {event.amount}"]

    # -------------------------------------------------------------- what a book has, and at which price
    def unreported_items(self, shard: Shard, policy: Policy) -> Iterator[str]:
        """List the coin balances that the last block did not tell."""
        for account in policy.accounts:
            item = keys.balance(account, NATIVE)
            if shard.tables.find(item, Balance) is None:
                yield item

    def watched(self, policy: Policy) -> Iterator[str]:
        """List the balances of a book's accounts."""
        yield from (keys.balance.under(account) for account in policy.accounts)

    def held_items(self, shard: Shard, policy: Policy) -> Sequence[HeldItem]:
        """Count the balances of a book, the coin as its wrapped token."""
        counted = shard.tables.derived(keys.counted_balances(policy.book), (policy,), self._counted, policy)
        return counted.held(shard.tables)

    def _counted(self, policy: Policy) -> "_Counted":
        """Know which balances a book counts, and as what; they are new with a policy only."""
        tokens, coin = [token.address for token in policy.tokens], self._chain.wrapped_native
        rows = [_Row(keys.balance(account, token), token) for account in policy.accounts for token in tokens]
        if coin in tokens:
            rows += [_Row(keys.balance(account, NATIVE), coin, "native") for account in policy.accounts]
        return _Counted(rows)


class _Counted:
    """The balances that a book counts: each is made an item again only where it is new."""

    def __init__(self, rows: Sequence[_Row]) -> None:
        """Know of no balance yet."""
        self._rows = rows
        self._balances: list[Balance | None] = [None] * len(rows)
        self._items: list[HeldItem | None] = [None] * len(rows)
        self._held: tuple[HeldItem, ...] = ()

    def held(self, tables: Tables) -> tuple[HeldItem, ...]:
        """List them as they are now: the same object as before where none is new."""
        balances = [tables.find(row.item, Balance) for row in self._rows]
        if balances != self._balances:
            former = zip(self._balances, self._items, strict=True)
            self._items = [
                item if balance is before else _held(row, balance)
                for row, balance, (before, item) in zip(self._rows, balances, former, strict=True)
            ]
            self._balances = balances
            self._held = tuple([item for item in self._items if item is not None])
        return self._held


def _held(row: _Row, balance: Balance | None) -> HeldItem | None:
    if balance is None:
        return None
    exposure = Exposure(token=row.token, kind=row.kind, amount=balance.amount)
    return HeldItem(item=row.item, exposures=(exposure,))


KIND = VenueKind(
    make=Wallet,
    contracts=(),
    items=(keys.balance.family,),
    held=(keys.balance.family,),
    forms=VenueForms(reads=(BalanceObserved,), entries={keys.balance.family: Balance}),
)
