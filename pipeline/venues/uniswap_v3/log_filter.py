"""Which logs of a block concern a shard's pools and NFTs."""

from collections.abc import Sequence

import msgspec

from pipeline import keys
from pipeline.messages.base import RawLog
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.port import LogFilter
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.manager_logs import MANAGER_TOPICS, token_id_of
from pipeline.venues.uniswap_v3.routes import routed
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC, address_of_topic


class UniswapV3Interest(msgspec.Struct, frozen=True):
    """The pools, NFTs and owners that a shard follows."""

    pools: frozenset[Address]
    manager: Address
    token_ids: frozenset[int]
    owners: frozenset[Address]

    def filter_for(self, logs: Sequence[RawLog]) -> LogFilter:
        """Make the filter for one block: an NFT that comes to an owner is followed from the block's first log on."""
        received = {
            int(log.topics[3], 16)
            for log in logs
            if log.address == self.manager
            and len(log.topics) == 4
            and log.topics[0] == TRANSFER_TOPIC
            and address_of_topic(log.topics[2]) in self.owners
        }
        ids = self.token_ids | received

        def concerns(log: RawLog) -> bool:
            if log.address in self.pools:
                return True
            if log.address != self.manager or not log.topics:
                return False
            return log.topics[0] in MANAGER_TOPICS and token_id_of(log) in ids

        return concerns

    def brings_items(self, logs: Sequence[RawLog]) -> bool:
        """Ask whether NFTs change hands."""
        return any(log.address == self.manager and log.topics[0] == TRANSFER_TOPIC for log in logs)


def interest(tables: Tables, at: UniswapV3Deployment) -> UniswapV3Interest:
    """Collect the pools, NFTs and owners that a shard follows now at a deployment."""
    return UniswapV3Interest(
        pools=at.followed_pools(tables),
        manager=at.manager,
        token_ids=frozenset(keys.position.parse(item)[1] for item, _ in routed(tables, at)),
        owners=frozenset(policy.owner for policy in policies(tables)),
    )
