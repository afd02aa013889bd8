"""Decide which logs of a block concern a shard's pools and NFTs."""

from collections.abc import Sequence

import msgspec

from pipeline import keys
from pipeline.messages.base import RawLog
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address, TokenId
from pipeline.venues.log_interest import LogFilter, LogWords
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.manager_logs import MANAGER_TOPICS, token_id_of
from pipeline.venues.uniswap_v3.routes import ROUTED, routed
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC, address_of_topic, topic_of


class UniswapV3Interest(msgspec.Struct, frozen=True):
    """The pools, NFTs and owners that a shard follows."""

    pools: frozenset[Address]
    manager: Address
    token_ids: frozenset[TokenId]
    owners: frozenset[Address]

    def emitters(self) -> frozenset[Address]:
        """List the pools and the position manager."""
        return self.pools | {self.manager}

    def words(self) -> Sequence[LogWords]:
        """List what a log must contain: a pool emits it, or the manager does and it names an NFT or its recipient."""
        ids = (f"0x{token_id:064x}" for token_id in self.token_ids)
        named = frozenset((*ids, *(topic_of(owner) for owner in self.owners)))
        return (LogWords(self.pools), LogWords(frozenset({self.manager}), named))

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

        def concerns(log: RawLog) -> bool:
            if log.address in self.pools:
                return True
            if log.address != self.manager or not log.topics:
                return False
            token_id = token_id_of(log) if log.topics[0] in MANAGER_TOPICS else None
            return token_id is not None and (token_id in self.token_ids or token_id in received)

        return concerns

    def brings_items(self, logs: Sequence[RawLog]) -> bool:
        """Return whether NFTs change hands."""
        return any(log.address == self.manager and log.topics[0] == TRANSFER_TOPIC for log in logs)


def interest(tables: Tables, at: UniswapV3Deployment) -> UniswapV3Interest:
    """Collect the pools, NFTs and owners that a shard follows now at a deployment."""
    return UniswapV3Interest(
        pools=frozenset(at.followed_pools(tables)),
        manager=at.manager,
        token_ids=_token_ids(tables, at),
        owners=frozenset(policy.owner for policy in policies(tables)),
    )


def _token_ids(tables: Tables, at: UniswapV3Deployment) -> frozenset[TokenId]:
    """Collect the NFTs that a shard knows of; collected again only after a write to their routes."""
    return tables.derived(
        own_keys.followed_nfts(at.manager),
        tables.writes(ROUTED),
        _routed_ids,
        tables,
        at,
    )


def _routed_ids(tables: Tables, at: UniswapV3Deployment) -> frozenset[TokenId]:
    return frozenset(keys.position.parse(item)[1] for item, _ in routed(tables, at))
