"""Where Uniswap V3 stands on a chain: known by its number, told by a file, or the devnet's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from contracts_abi import UnknownContractError, load_deployment
from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import ChainProfile
from pipeline.units import Address, ChainId
from streams.portfolio.names import lookup_in
from streams.portfolio.sections import ChainSection
from streams.settings import devnet_in, read_text
from streams.yaml_positions import Problem, problems_of, read_yaml

_ROLES = ("factory", "position_manager", "wrapped_native")


def contracts_of(chain_id: ChainId, file: Path | None, folder: Path) -> Mapping[str, Address]:
    """Name the contracts that a portfolio's `chain:` must name; none where it need not, for they are known.

    Raises: SettingsError where nobody says where Uniswap V3 stands, or the file is of another chain.
    """
    if file is not None:
        return _in_file(chain_id, file)
    devnet = devnet_in(folder)
    if devnet is not None and devnet.world.chain_id == chain_id:
        return _named_in(devnet.world.profile())
    try:
        load_deployment(chain_id)
    except UnknownContractError:
        raise SettingsError(
            f"where Uniswap V3 stands on chain {chain_id} is not known: write {', '.join(_ROLES)} under `chain:` in a file, "
            "and say --chain FILE"
        ) from None
    return {}


def profile_with(chain_id: ChainId, contracts: Mapping[str, Address]) -> ChainProfile:
    """Describe the chain for whoever reads it; without contracts, as it is known by its number."""
    known: Mapping[str, Any] = contracts or vars(load_deployment(chain_id))
    factory, position_manager, wrapped_native = (Address(known[role]) for role in _ROLES)
    return ChainProfile(
        chain_id=chain_id,
        factory=factory,
        position_manager=position_manager,
        wrapped_native=wrapped_native,
    )


def _in_file(chain_id: ChainId, file: Path) -> Mapping[str, Address]:
    document = read_yaml(read_text(file), str(file))
    written = document.value if isinstance(document.value, dict) else {}
    try:
        section = ChainSection.model_validate(written.get("chain", {}), context=lookup_in({}))
    except ValidationError as error:
        problems = [Problem(("chain", *each.path), each.says) for each in problems_of(error, ChainSection)]
        raise document.refuse(problems) from None
    if section.id != chain_id:
        raise SettingsError(f"{file} is of chain {section.id}, the node follows chain {chain_id}")
    found = _named_in(section)
    missing = [role for role in _ROLES if role not in found]
    if missing:
        raise document.refuse([Problem(("chain", role), "missing") for role in missing])
    return found


def _named_in(source: ChainProfile | ChainSection) -> Mapping[str, Address]:
    found = {role: getattr(source, role) for role in (*_ROLES, "router")}
    return {role: Address(address) for role, address in found.items() if address is not None}
