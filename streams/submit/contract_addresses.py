"""Find the contracts that a signer's file leaves out: from the devnet, or from the chain's file."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from contracts_abi.chains import known_chains
from pipeline.errors import SettingsError
from pipeline.units import Address, ChainId

if TYPE_CHECKING:
    from streams.portfolio.fields import Section
    from streams.run_folder import DevnetWorld


def known_places(chain_id: ChainId, devnet: "DevnetWorld | None") -> Mapping[str, Address]:
    """List the known contracts of a chain by role."""
    if devnet is not None and devnet.chain_id == chain_id:
        found: dict[str, str | None] = {
            "factory": devnet.factory,
            "router": devnet.router,
            "position_manager": devnet.position_manager,
            "wrapped_native": devnet.weth,
        }
        return {role: Address(address) for role, address in found.items() if address is not None}
    chain = known_chains().get(chain_id)
    return {} if chain is None else {role: Address(place) for role, place in chain.contracts.places().items()}


def find_places(
    section: "Section", roles: Sequence[str], known: Mapping[str, Address], chain_id: ChainId
) -> dict[str, Address]:
    """Take each contract from the section's field of its role, else from the known ones. Raises: SettingsError naming what is missing."""
    found = {role: getattr(section, role) or known.get(role) for role in roles}
    missing = [role for role, address in found.items() if address is None]
    if missing:
        raise SettingsError(
            f"{', '.join(missing)}: not known for chain {chain_id}, name it in the signer's file"
        )
    return {role: address for role, address in found.items() if address is not None}
