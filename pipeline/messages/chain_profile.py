"""The chain and the venues on it: the same for every book of a deployment."""

import msgspec

from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import Address, ChainId, PoolId, Wei

UNISWAP_V3 = "uniswap_v3"
"""Kind and name of the venue that a chain's profile has in its own fields: where a book's pools lie unless it says otherwise."""


class AddressName(msgspec.Struct, frozen=True, kw_only=True):
    """An ENS name, and the address to which it resolved when the policy was made. Shown to people; no decision depends on it."""

    name: str
    address: Address


class VenueContract(msgspec.Struct, frozen=True, kw_only=True):
    """The address of one of a venue's contracts, and the contract's role there."""

    role: str
    """Such as `factory`, `position_manager` or `router`; the venue's kind determines which roles there are."""
    address: Address


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A venue on the chain: its name, its kind and its contracts' addresses."""

    name: str
    kind: str
    contracts: tuple[VenueContract, ...]

    def contract(self, role: str) -> Address:
        """Return the address of the contract with a role. Raises: KeyError where the venue has none."""
        for each in self.contracts:
            if each.role == role:
                return each.address
        raise KeyError(role)

    def has(self, role: str) -> bool:
        """Return whether the venue names a contract of a role."""
        return any(each.role == role for each in self.contracts)


class ChainProfile(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """The chain's part of every policy: what is the same for all books of a deployment."""

    chain_id: ChainId
    wrapped_native: Address
    position_manager: Address
    factory: Address
    router: Address | None = None
    """The router through which swaps are sent; needed by live books."""
    final_depth_blocks: int = 65
    """The most blocks a reorg may take; a deeper one halts the shard."""
    check_every_blocks: int = 100
    """How often a pool's full state is compared with the chain."""
    report_every_blocks: int = 50
    """How often an unchanged position or refusal is published again."""
    data_fee_wei: Wei = Wei(0)
    """The assumed fee of a transaction beside its gas, on chains that post its data elsewhere for a fee."""
    data_gas: int = 0
    """The gas that a transaction's data takes of its gas limit, on chains that charge for posting it in gas."""
    max_quarantined: int = 10
    """More items than this in quarantine halt the shard."""
    venues: tuple[VenueSpec, ...] | msgspec.UnsetType = msgspec.UNSET
    """Further venues, by name; left out where the Uniswap V3 of the fields above is the only one."""
    sequencer: SequencerFeed | msgspec.UnsetType = msgspec.UNSET
    """The uptime feed of the chain's sequencer; left out where there is none."""

    def all_venues(self) -> tuple[VenueSpec, ...]:
        """List the venues: first the Uniswap V3 of the profile's own fields, then the further ones."""
        places = {"factory": self.factory, "position_manager": self.position_manager, "router": self.router}
        own = tuple(
            VenueContract(role=role, address=address)
            for role, address in places.items()
            if address is not None
        )
        return VenueSpec(name=UNISWAP_V3, kind=UNISWAP_V3, contracts=own), *(self.venues or ())

    def venue(self, name: str) -> VenueSpec | None:
        """Return the venue of a name; None where the profile has none."""
        return next((spec for spec in self.all_venues() if spec.name == name), None)


class PoolsAt(msgspec.Struct, frozen=True, kw_only=True):
    """The pools of a book that belong to one of the further venues."""

    venue: str
    """Its name in the chain's profile."""
    pools: tuple[PoolId, ...]
