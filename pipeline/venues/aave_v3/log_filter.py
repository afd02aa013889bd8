"""Decide which logs of a block concern a shard's accounts at a market, and the reserves that they use."""

from collections.abc import Sequence

import msgspec

from pipeline.messages.base import RawLog
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.aave_v3 import logs
from pipeline.venues.aave_v3.deployment import AaveDeployment, owners
from pipeline.venues.aave_v3.routes import routed_assets, silently_accrued
from pipeline.venues.log_interest import LogFilter, LogWords
from pipeline.venues.wallet.token_logs import address_of_topic, topic_of

_OF_AN_OWNER = {
    logs.COLLATERAL_ENABLED: 2,
    logs.COLLATERAL_DISABLED: 2,
    logs.EMODE_SET: 1,
    logs.BORROW: 2,
    logs.RATE_MODE_SWAPPED: 2,
    logs.LIQUIDATION_CALL: 3,
}
"""In which topic a pool's log names an account."""
_BRINGING = frozenset({logs.EMODE_SET, logs.LIQUIDATION_CALL, logs.UPGRADED})
"""Pool's logs after which something may have to be read."""
_OF_A_TOKEN = frozenset({logs.MINT, logs.BURN, logs.BALANCE_TRANSFER})


class AaveInterest(msgspec.Struct, frozen=True):
    """The accounts, reserves and tokens that a shard follows."""

    at: AaveDeployment
    owners: frozenset[Address]
    used: frozenset[Address]
    """Assets of the reserves in which the accounts have, or had, anything."""
    assets: frozenset[Address]
    """Of all the market's reserves."""
    tokens: frozenset[Address]
    """Of all its aTokens and debt tokens: anybody may send an account what it has never had."""

    def emitters(self) -> frozenset[Address]:
        """List the market's contracts and its tokens."""
        return self.tokens | {self.at.pool, self.at.configurator, self.at.oracle}

    def words(self) -> Sequence[LogWords]:
        """List what logs must hold: the pool or its configurator emits them, or a token does and names an owner or an upgrade, or the oracle a source."""
        named = frozenset((logs.UPGRADED, *(topic_of(owner) for owner in self.owners)))
        return (
            LogWords(frozenset({self.at.pool, self.at.configurator})),
            LogWords(self.tokens, named),
            LogWords(frozenset({self.at.oracle}), frozenset({logs.ASSET_SOURCE_UPDATED})),
        )

    def filter_for(self, of_block: Sequence[RawLog]) -> LogFilter:
        """Make the filter for one block: a reserve that comes to be used within it is read after it."""
        del of_block
        return self._concerns

    def _concerns(self, log: RawLog) -> bool:
        if not log.topics:
            return False
        if log.address == self.at.pool:
            return self._of_pool(log)
        if log.address == self.at.configurator:
            return self._of_configurator(log)
        if log.address == self.at.oracle:
            return log.topics[0] == logs.ASSET_SOURCE_UPDATED
        if log.address not in self.tokens:
            return False
        if log.topics[0] == logs.UPGRADED:
            return True
        return log.topics[0] in _OF_A_TOKEN and any(self._is_owner(topic) for topic in log.topics[1:3])

    def _of_pool(self, log: RawLog) -> bool:
        topic = log.topics[0]
        if topic == logs.RESERVE_DATA_UPDATED:
            return len(log.topics) > 1 and address_of_topic(log.topics[1]) in self.used
        if topic in _OF_AN_OWNER:
            place = _OF_AN_OWNER[topic]
            if len(log.topics) > place and self._is_owner(log.topics[place]):
                return True
        return topic == logs.UPGRADED or silently_accrued(log, self.at) in self.used

    def _of_configurator(self, log: RawLog) -> bool:
        """Take what names a reserve that is used, or none at all."""
        named = {address_of_topic(topic) for topic in log.topics[1:]} & self.assets
        return not named or bool(named & self.used)

    def _is_owner(self, topic: str) -> bool:
        return address_of_topic(topic) in self.owners

    def brings_items(self, of_block: Sequence[RawLog]) -> bool:
        """Return whether something may have to be read before the next block."""
        return any(self._brings(log) for log in of_block)

    def _brings(self, log: RawLog) -> bool:
        if log.address in {self.at.configurator, self.at.oracle} or log.address in self.tokens:
            return True
        return log.address == self.at.pool and bool(_BRINGING.intersection(log.topics[:1]))


def interest(tables: Tables, at: AaveDeployment) -> AaveInterest:
    """Collect what a shard follows now at a market."""
    return AaveInterest(
        at=at,
        owners=owners(tables),
        used=routed_assets(tables, at),
        assets=frozenset(at.reserves(tables)),
        tokens=frozenset(at.tokens(tables)),
    )
