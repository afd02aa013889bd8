"""One deployment of Uniswap V3 among those of a chain: its position manager, and which pools of a book are its own."""

import msgspec

from pipeline import keys
from pipeline.messages.chain_profile import UNISWAP_V3, ChainProfile, VenueSpec
from pipeline.messages.policy import Policy
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address, PoolId
from pipeline.venues.uniswap_v3.forms import own_keys


class UniswapV3Deployment(msgspec.Struct, frozen=True):
    """A venue's name in the chain's profile, and where its position manager stands."""

    name: str
    manager: Address

    def pools(self, policy: Policy) -> tuple[PoolId, ...]:
        """List the pools of a book that are of this deployment."""
        return policy.pools_of(self.name)

    def followed_pools(self, tables: Tables) -> frozenset[PoolId]:
        """Collect the pools of this deployment that any book of the shard names."""
        return tables.derived(
            own_keys.followed_pools(self.manager),
            (self, *tables.writes(keys.policy.family)),
            lambda: frozenset(pool for policy in policies(tables) for pool in self.pools(policy)),
        )


def deployment_of(spec: VenueSpec) -> UniswapV3Deployment:
    """Take the addresses out of a venue's specification. Raises: KeyError where it has no position manager."""
    return UniswapV3Deployment(spec.name, spec.contract("position_manager"))


def first_deployment(chain: ChainProfile) -> UniswapV3Deployment:
    """Give the deployment that the profile has in its own fields: the one on which a book acts."""
    return UniswapV3Deployment(UNISWAP_V3, chain.position_manager)
