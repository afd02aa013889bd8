"""One deployment of Uniswap V3 among those of a chain: its position manager, and the pools of a book that belong to it."""

from collections.abc import Mapping, Sequence

import msgspec

from pipeline import keys
from pipeline.errors import ImpossibleFactError
from pipeline.messages.base import RawLog
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.policy import Policy
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address, PoolId
from pipeline.venues.uniswap_v3.forms import own_keys


class UniswapV3Deployment(msgspec.Struct, frozen=True):
    """A venue's name in the chain's profile, its position manager, and its router, which only acting books need."""

    name: str
    manager: Address
    router: Address | None = None

    def pools(self, policy: Policy) -> tuple[PoolId, ...]:
        """List the pools of a book at this deployment."""
        return policy.pools_of(self.name)

    def emits_any(self, logs: Sequence[RawLog]) -> bool:
        """Return whether the position manager emitted any of these logs."""
        return self.manager in [log.address for log in logs]

    def followed_pools(self, tables: Tables) -> Mapping[PoolId, str]:
        """Collect the pools of this deployment that any book of the shard names, each with its item."""
        return tables.of_family(
            own_keys.followed_pools(self.name, self.manager),
            keys.policy.family,
            self._items,
            tables,
        )

    def _items(self, tables: Tables) -> Mapping[PoolId, str]:
        return {pool: keys.pool(pool) for policy in policies(tables) for pool in self.pools(policy)}


def deployment_of(spec: VenueSpec) -> UniswapV3Deployment:
    """Read a deployment from a venue's specification. Raises: KeyError where it has no position manager."""
    router = spec.contract("router") if spec.has("router") else None
    return UniswapV3Deployment(spec.name, spec.contract("position_manager"), router)


def acting_deployment(policy: Policy) -> UniswapV3Deployment:
    """Return the deployment on which a book acts: that of its reference pool.

    Raises: ImpossibleFactError where the chain's profile does not name it.
    """
    spec = policy.chain.venue(policy.acting_venue())
    if spec is None:
        raise ImpossibleFactError(f"the chain has no venue {policy.acting_venue()}")
    return deployment_of(spec)
