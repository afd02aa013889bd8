"""Apply a block to the wallets: transfers move balances; native balances and allowances are read."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, UnsetType

from pipeline import keys
from pipeline.messages.base import RawLog
from pipeline.messages.entries import Allowance
from pipeline.messages.events import BlockSeen
from pipeline.messages.facts import Fact
from pipeline.messages.read_values import AllowanceRead, NativeBalance
from pipeline.state.policies import book_accounts, policies
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import NATIVE, Address, RawAmount
from pipeline.venues.port import Decoder, Items
from pipeline.venues.wallet.forms import Balance, TokensMoved
from pipeline.venues.wallet.native_sum import native_items, native_sum
from pipeline.venues.wallet.token_logs import decode_token_log


class WalletBlock:
    """Applies one block to the balances that it touches."""

    def __init__(self, shard: Shard, items: Items) -> None:
        """Start without touched balances."""
        self.swaps: list[tuple[RawLog, Fact]] = []
        self._shard = shard
        self._items = items
        self._balances: dict[str, int] = {}

    def decoder(self, emitter: Address) -> Decoder:
        """Return what decodes a token's logs, for every contract: the wallet is asked last."""
        del emitter
        return decode_token_log

    def item_of(self, log: RawLog) -> str:
        """Return the token's item: where one of its logs cannot be decoded, every balance of it fails."""
        return keys.token(log.address)

    def apply(self, log: RawLog, fact: Fact) -> None:
        """Apply a transfer to sender and recipient. A balance that would be negative fails, the other does not."""
        del log
        assert isinstance(fact, TokensMoved)
        for account, delta in ((fact.sender, -fact.amount), (fact.recipient, fact.amount)):
            key = keys.balance(account, fact.address)
            balance = self._shard.tables.find(key, Balance)
            if balance is None or self._items.is_closed(key):
                continue  # not followed, or not read yet
            amount = self._balances.get(key, balance.amount) + delta
            if amount < 0:
                self._items.fail(key, f"ImpossibleFactError: a transfer of {fact.amount} leaves {amount}")
            else:
                self._balances[key] = amount

    # -------------------------------------------------------------- the block's end
    def spread_failures(self) -> None:
        """Fail every balance of a token with an undecodable log, in place of the token."""
        for item, reason in self._items.take_failed(keys.token.family):
            for key in self._balances_of(*keys.token.parse(item)):
                self._items.fail(key, reason)

    def write(self, event: BlockSeen) -> None:
        """Write every balance that has not failed, native balances, and allowances as read."""
        tables = self._shard.tables
        for key, amount in self._balances.items():
            if not self._items.failed(key):
                tables.put(key, Balance(amount=RawAmount(amount)))
        native: list[NativeBalance] = []
        allowances: list[AllowanceRead] = []
        for each in event.reads:
            if type(each) is AllowanceRead:  # cheaper than `isinstance` where it is something else
                allowances.append(each)
            elif type(each) is NativeBalance:
                native.append(each)
        self._write_native_balances(event.native_checksum, native)
        self._write_allowances(tuple(allowances))

    def _write_native_balances(self, checksum: str | UnsetType, reads: Sequence[NativeBalance]) -> None:
        """Write the native balances that a block gives. Where it gives all, others are unknown: no log would have told of a change.

        Where it tells only changes and the checksum of all is another than its own, a change was lost, and none is known until a
        block tells all.
        """
        tables = self._shard.tables
        if reads or checksum is UNSET:
            items = native_items(tables)
            told = ((keys.balance(each.account, NATIVE), each) for each in reads)
            read = {item: Balance(amount=RawAmount(each.amount_wei)) for item, each in told if item in items}
            for item in items if checksum is UNSET else read:
                tables.put(item, read.get(item))
        if checksum is not UNSET and checksum != native_sum(tables).checksum:
            for item in native_items(tables):
                tables.put(item, None)

    def _write_allowances(self, reads: tuple[AllowanceRead, ...]) -> None:
        """Store the allowances of the owners' tokens, and none that was not read. Mostly they are those of the last block."""
        tables = self._shard.tables
        last: _LastAllowances = tables.derived(keys.TOLD_ALLOWANCES, (), _LastAllowances)
        if last.reads == reads and last.writes == tables.writes(*_DECIDING):
            return
        self._replace_allowances(
            {keys.allowance(each.owner, each.token, each.spender): each.amount for each in reads}
        )
        last.reads, last.writes = reads, tables.writes(*_DECIDING)

    def _replace_allowances(self, read: Mapping[str, RawAmount]) -> None:
        tables = self._shard.tables
        kept = kept_allowances(tables)
        if not kept <= read.keys():
            owners = {policy.owner for policy in policies(tables)}
            for key in sorted(kept - read.keys()):
                if keys.allowance.parse(key)[0] in owners:
                    tables.put(key, None)
        for key, amount in read.items():
            known = tables.find(key, Allowance)
            if known is None or known.amount != amount:
                tables.put(key, Allowance(amount=amount))

    def _balances_of(self, token: Address) -> Iterable[str]:
        keys = (keys.balance(account, token) for account in sorted(book_accounts(self._shard.tables)))
        return [key for key in keys if self._shard.tables.find(key, Balance) is not None]


_DECIDING = (keys.allowance.family, keys.policy.family)
"""Families on which it depends what becomes of allowances that a block gives."""


class _LastAllowances:
    """The allowances that a block gave last, and how often what decides about them had been written then."""

    def __init__(self) -> None:
        self.reads: tuple[AllowanceRead, ...] | None = None
        self.writes: tuple[int, ...] = ()


def kept_allowances(tables: Tables) -> set[str]:
    """Collect the keys of the allowances that are known."""
    kept: set[str] = tables.derived(keys.KEPT_ALLOWANCES, (), set)
    for key in tables.written(keys.KEPT_ALLOWANCES, keys.allowance.family):
        if tables.find(key, Allowance) is None:
            kept.discard(key)
        else:
            kept.add(key)
    return kept
