"""Pools, owners and NFTs as read from the chain: on `events.v1`."""

import msgspec

from pipeline import keys
from pipeline.messages.events import Observed
from pipeline.units import Address, PoolId, Tick, TokenId
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, OracleSlot, Pool, PoolPosition, TickInfo


class TickObserved(msgspec.Struct, frozen=True, kw_only=True):
    tick: Tick
    info: TickInfo


class PoolObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A read of a pool's whole state."""

    pool: Address
    state: Pool
    ticks: tuple[TickObserved, ...]
    """Every initialised tick, ascending."""
    observations: tuple[OracleSlot, ...]
    """Every slot below `cardinality_next`, by index."""

    @property
    def item(self) -> str:
        return keys.pool(self.pool)

    @property
    def whole_pool(self) -> PoolId:
        return self.pool


class OwnerObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A read of all NFTs of an owner at a position manager."""

    owner: Address
    manager: Address
    token_ids: tuple[TokenId, ...]

    @property
    def item(self) -> str:
        return own_keys.owner(self.manager, self.owner)


class PositionObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A read of an NFT and of the pool position that it uses."""

    manager: Address
    token_id: TokenId
    position: NftPosition
    pool_position: PoolPosition

    @property
    def item(self) -> str:
        return keys.position(self.manager, self.token_id)
