"""The chain and the venues on it: the same for every book of a deployment."""

import msgspec

from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import Address, ChainId, PoolId, Wei

UNISWAP_V3 = "uniswap_v3"
"""Kind and name of the venue that a chain's profile has in its own fields: where a book's pools lie unless it says otherwise."""


class AddressName(msgspec.Struct, frozen=True, kw_only=True):
    """A name, and the address that it stood for when the policy was made. It is for people: nothing is decided by it."""

    name: str
    address: Address


class VenueContract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract of a venue, by what it is there."""

    role: str
    """`factory`, `position_manager`, `router`: which there are follows from the venue's kind."""
    address: Address


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A venue of a chain: which kind of contracts, and where they stand."""

    name: str
    kind: str
    contracts: tuple[VenueContract, ...]

    def contract(self, role: str) -> Address:
        """Find where a contract stands. Raises: KeyError where the venue has none of that role."""
        for each in self.contracts:
            if each.role == role:
                return each.address
        raise KeyError(role)

    def has(self, role: str) -> bool:
        """Return whether a contract of a role is named."""
        return any(each.role == role for each in self.contracts)


class ChainProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for every book of a deployment."""

    chain_id: ChainId
    wrapped_native: Address
    position_manager: Address
    factory: Address
    router: Address | None = None
    """Through which swaps go; needed to act."""
    final_depth_blocks: int = 65
    """The most blocks a reorg may take; a deeper one halts the shard."""
    check_every_blocks: int = 100
    """How often a pool's full state is compared with the chain."""
    report_every_blocks: int = 50
    """How often an unchanged position or refusal is said again."""
    data_fee_wei: Wei = Wei(0)
    """What a transaction is reckoned to cost beside its gas, where its data is posted elsewhere for a fee."""
    data_gas: int = 0
    """Gas for a transaction's data, within its limit, where that is how it is paid."""
    max_quarantined: int = 10
    """More items than this in quarantine halt the shard."""
    venues: tuple[VenueSpec, ...] | msgspec.UnsetType = msgspec.UNSET
    """Further ones, by name; left out where there is only the Uniswap V3 of the fields above."""
    sequencer: SequencerFeed | msgspec.UnsetType = msgspec.UNSET
    """Left out where no uptime feed tells of a sequencer."""

    def all_venues(self) -> tuple[VenueSpec, ...]:
        """List the venues: first the Uniswap V3 of the profile's own fields, then those that it names."""
        places = {"factory": self.factory, "position_manager": self.position_manager, "router": self.router}
        own = tuple(
            VenueContract(role=role, address=address)
            for role, address in places.items()
            if address is not None
        )
        return VenueSpec(name=UNISWAP_V3, kind=UNISWAP_V3, contracts=own), *(self.venues or ())

    def venue(self, name: str) -> VenueSpec | None:
        """Find a venue by its name; None where the profile has none of it."""
        return next((spec for spec in self.all_venues() if spec.name == name), None)


class PoolsAt(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a book's pools lie at a venue."""

    venue: str
    """Its name in the chain's profile."""
    pools: tuple[PoolId, ...]
