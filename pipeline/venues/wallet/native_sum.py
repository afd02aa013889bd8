"""The coin balances of the books' accounts that a shard knows, and their checksum."""

from pipeline import keys
from pipeline.state.native_sum import NativeSum
from pipeline.state.policies import book_accounts
from pipeline.state.tables import Tables
from pipeline.units import NATIVE, Address, Wei
from pipeline.venues.wallet.forms import Balance


def native_sum(tables: Tables) -> NativeSum:
    """Sum up the coin balances of the books' accounts that are known now."""
    written, accounts = tables.written(keys.NATIVE_SUM, keys.balance.family), book_accounts(tables)
    known = tables.derived(keys.NATIVE_SUM, (accounts,), lambda: _sum_up(tables, accounts))
    for key in written:
        account, token = keys.balance.parse(key)
        if token == NATIVE and account in accounts:
            known.put(account, _native(tables, account))
    return known


def _sum_up(tables: Tables, accounts: frozenset[Address]) -> NativeSum:
    found = ((account, _native(tables, account)) for account in accounts)
    return NativeSum({account: amount_wei for account, amount_wei in found if amount_wei is not None})


def _native(tables: Tables, account: Address) -> Wei | None:
    balance = tables.find(keys.balance(account, NATIVE), Balance)
    return None if balance is None else Wei(balance.amount)
