"""Maintain the native balances of the accounts that a shard knows, and their checksum."""

from collections.abc import Mapping

from pipeline import keys
from pipeline.state.native_sum import NativeSum
from pipeline.state.policies import book_accounts
from pipeline.state.tables import Tables
from pipeline.units import NATIVE, Address, Wei
from pipeline.venues.wallet.forms import Balance


def native_sum(tables: Tables) -> NativeSum:
    """Compute the checksum over the known native balances of the books' accounts."""
    written, items = tables.written(keys.NATIVE_SUM, keys.balance.family), native_items(tables)
    known = tables.derived(keys.NATIVE_SUM, (items,), _sum_up, tables, items)
    for key in written:
        account = items.get(key)
        if account is not None:
            known.put(account, _native(tables, key))
    return known


def native_items(tables: Tables) -> Mapping[str, Address]:
    """Name the native balance of each of the books' accounts, in the accounts' order."""
    return tables.of_family(keys.NATIVE_ITEMS, keys.policy.family, _items_of_accounts, tables)


def _items_of_accounts(tables: Tables) -> Mapping[str, Address]:
    return {keys.balance(account, NATIVE): account for account in sorted(book_accounts(tables))}


def _sum_up(tables: Tables, items: Mapping[str, Address]) -> NativeSum:
    found = ((account, _native(tables, item)) for item, account in items.items())
    return NativeSum({account: amount_wei for account, amount_wei in found if amount_wei is not None})


def _native(tables: Tables, item: str) -> Wei | None:
    balance = tables.find(item, Balance)
    return None if balance is None else Wei(balance.amount)
