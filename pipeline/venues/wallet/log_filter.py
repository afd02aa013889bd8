"""Decide which logs of a block move a book's tokens."""

from collections.abc import Sequence

import msgspec

from pipeline.messages.base import RawLog
from pipeline.messages.chain_profile import ChainProfile
from pipeline.state.policies import book_accounts, policies
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.log_interest import LogFilter, LogWords
from pipeline.venues.wallet.token_logs import (
    DEPOSIT_TOPIC,
    TRANSFER_TOPIC,
    WITHDRAWAL_TOPIC,
    topic_of,
)


class WalletInterest(msgspec.Struct, frozen=True):
    """The tokens and accounts that a shard follows."""

    accounts: frozenset[str]
    """As they stand in topics. No compiler puts anything else before an address: a topic that does names no account."""
    tokens: frozenset[Address]
    wrapped_native: Address

    def emitters(self) -> frozenset[Address]:
        """List the tokens."""
        return self.tokens | {self.wrapped_native}

    def words(self) -> Sequence[LogWords]:
        """List what a log must contain: a token emits it, and it names an account."""
        return (LogWords(self.tokens | {self.wrapped_native}, self.accounts),)

    def filter_for(self, logs: Sequence[RawLog]) -> LogFilter:
        """Make the filter for one block: transfers of a book's token from or to a book's account."""
        del logs
        return self._concerns

    def _concerns(self, log: RawLog) -> bool:
        if not log.topics or (log.address not in self.tokens and log.address != self.wrapped_native):
            return False
        if log.topics[0] == TRANSFER_TOPIC and len(log.topics) == 3:
            return log.topics[1] in self.accounts or log.topics[2] in self.accounts
        if log.address == self.wrapped_native and log.topics[0] in {DEPOSIT_TOPIC, WITHDRAWAL_TOPIC}:
            return len(log.topics) == 2 and log.topics[1] in self.accounts
        return False

    def brings_items(self, logs: Sequence[RawLog]) -> bool:
        """Report that transfers bring no new balances to read: a policy names them all."""
        del logs
        return False


def interest(tables: Tables, chain: ChainProfile) -> WalletInterest:
    """Collect the tokens and accounts that a shard follows now."""
    return WalletInterest(
        accounts=frozenset(topic_of(account) for account in book_accounts(tables)),
        tokens=frozenset(token.address for policy in policies(tables) for token in policy.tokens),
        wrapped_native=chain.wrapped_native,
    )
