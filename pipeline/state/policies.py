"""Look up the policies of a shard's books, and the settings on which all of them agree."""

from pipeline import keys
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.policy import Policy
from pipeline.state.tables import Tables
from pipeline.units import Address


def policies(tables: Tables) -> tuple[Policy, ...]:
    """List the policies of a shard's books, ordered by book id."""
    return tables.of_family(keys.POLICIES, keys.policy.family, _in_order, tables)


def _in_order(tables: Tables) -> tuple[Policy, ...]:
    return tuple(policy for _, policy in tables.group(keys.policy.family, Policy))


def profile(tables: Tables) -> ChainProfile | None:
    """Find the chain profile that a shard's books share; None on a shard without books."""
    books = policies(tables)
    return books[0].chain if books else None


def book_accounts(tables: Tables) -> frozenset[Address]:
    """Collect the accounts whose balances any book of the shard counts."""
    return tables.of_family(keys.BOOK_ACCOUNTS, keys.policy.family, _accounts_of, tables)


def _accounts_of(tables: Tables) -> frozenset[Address]:
    return frozenset(account for policy in policies(tables) for account in policy.accounts)
