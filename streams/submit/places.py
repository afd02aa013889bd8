"""Where contracts stand that a signer's file leaves out: on a devnet, or where their publishers put them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from contracts_abi import Deployment, UnknownContractError, load_deployment
from pipeline.errors import SettingsError
from pipeline.units import Address, ChainId

if TYPE_CHECKING:
    from streams.portfolio.fields import Section
    from streams.settings import DevnetWorld


def known_places(chain_id: ChainId, devnet: "DevnetWorld | None") -> Mapping[str, Address]:
    """List contracts of a chain by role; none where nobody says."""
    if devnet is not None and devnet.chain_id == chain_id:
        found: dict[str, str | None] = {
            "factory": devnet.factory,
            "router": devnet.router,
            "position_manager": devnet.position_manager,
            "wrapped_native": devnet.weth,
        }
    else:
        found = _published(chain_id)
    return {role: Address(address) for role, address in found.items() if address is not None}


def find_places(
    section: "Section", roles: Sequence[str], known: Mapping[str, Address], chain_id: ChainId
) -> dict[str, Address]:
    """Take each contract from a section's field of its role, else from those that are known. Raises: SettingsError naming what is missing."""
    found = {role: getattr(section, role) or known.get(role) for role in roles}
    missing = [role for role, address in found.items() if address is None]
    if missing:
        raise SettingsError(
            f"{', '.join(missing)}: not known for chain {chain_id}, name it in the signer's file"
        )
    return {role: address for role, address in found.items() if address is not None}


def _published(chain_id: ChainId) -> dict[str, str | None]:
    try:
        public: Deployment = load_deployment(chain_id)
    except UnknownContractError:
        return {}
    return {
        "factory": public.factory,
        "router": public.router,
        "position_manager": public.position_manager,
        "wrapped_native": public.wrapped_native,
    }
