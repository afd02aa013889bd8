"""Find the Uniswap V3 deployment of a chain: by the chain's id, from a file, or the devnet's."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from contracts_abi.chains import ChainFile, ChainFileError, known_chains, read_chain_file
from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.units import Address, ChainId
from streams.portfolio.chain_file import AAVE_V3, lending_in
from streams.portfolio.chain_section import chain_section_of
from streams.portfolio.sections import ChainSection
from streams.portfolio.venues import venue_specs
from streams.run_folder import devnet_in, read_text
from streams.yaml_positions import Problem, read_yaml

_ROLES = ("factory", "position_manager", "wrapped_native")
_OF_A_CHAIN = ".toml"


class ChainFound(msgspec.Struct, frozen=True, kw_only=True):
    """A chain whose positions can be looked at."""

    profile: ChainProfile
    """For whoever reads it."""
    written: Mapping[str, str]
    """What a portfolio's `chain:` must say of it beside its number; nothing where it is well known."""
    money: frozenset[Address]
    """Its stable tokens, as far as they are known."""
    lending: VenueSpec | None = None
    """Its lending market, where one is known."""


def find_chain(chain_id: ChainId, file: Path | None, folder: Path) -> ChainFound:
    """Find the contracts of Uniswap V3 on a chain.

    Raises: SettingsError where nobody says it, or the file is of another chain.
    """
    if file is not None and file.suffix == _OF_A_CHAIN:
        return _of_file(_read(file, chain_id), {"profile": str(file)})
    if file is not None:
        return _in_portfolio(chain_id, file, folder)
    return _without_a_file(chain_id, folder)


def _without_a_file(chain_id: ChainId, folder: Path) -> ChainFound:
    """Take the devnet's contracts or those of a known chain. Raises: SettingsError where it is neither."""
    devnet = devnet_in(folder)
    if devnet is not None and devnet.world.chain_id == chain_id:
        return _of_contracts(chain_id, _named_in(devnet.world.profile()))
    known = known_chains().get(chain_id)
    if known is None:
        raise SettingsError(
            f"where Uniswap V3 stands on chain {chain_id} is not known: write {', '.join(_ROLES)} under `chain:` in a file, "
            "and say --chain FILE"
        )
    return _of_file(known, {})


def _read(file: Path, chain_id: ChainId) -> ChainFile:
    try:
        chain = read_chain_file(file)
    except ChainFileError as error:
        raise SettingsError(str(error)) from None
    if chain.chain_id != chain_id:
        raise SettingsError(f"{file} is of chain {chain.chain_id}, the node follows chain {chain_id}")
    return chain


def _of_file(chain: ChainFile, written: Mapping[str, str]) -> ChainFound:
    places = {role: Address(place) for role, place in chain.contracts.places().items()}
    money = frozenset(Address(token) for token in chain.stable_tokens.values())
    return ChainFound(
        profile=_profile(ChainId(chain.chain_id), places),
        written=written,
        money=money,
        lending=lending_in(chain),
    )


def _of_contracts(chain_id: ChainId, contracts: Mapping[str, Address]) -> ChainFound:
    return ChainFound(profile=_profile(chain_id, contracts), written=contracts, money=frozenset())


def _profile(chain_id: ChainId, contracts: Mapping[str, Address]) -> ChainProfile:
    factory, position_manager, wrapped_native = (contracts[role] for role in _ROLES)
    return ChainProfile(
        chain_id=chain_id,
        factory=factory,
        position_manager=position_manager,
        wrapped_native=wrapped_native,
    )


def _in_portfolio(chain_id: ChainId, file: Path, folder: Path) -> ChainFound:
    """Take the contracts that a portfolio's `chain:` names; one that names none means those that are known."""
    text = read_text(file)
    section = chain_section_of(text, str(file))
    if section.id != chain_id:
        raise SettingsError(f"{file} is of chain {section.id}, the node follows chain {chain_id}")
    if section.profile is not None:
        return _of_file(_read(section.profile, chain_id), {"profile": str(section.profile)})
    found = _named_in(section)
    lending = next((spec for spec in venue_specs(section) if spec.kind == AAVE_V3), None)
    if not found:
        known = _without_a_file(chain_id, folder)
        return known if lending is None else msgspec.structs.replace(known, lending=lending)
    missing = [role for role in _ROLES if role not in found]
    if missing:
        raise read_yaml(text, str(file)).refuse([Problem(("chain", role), "missing") for role in missing])
    return msgspec.structs.replace(_of_contracts(chain_id, found), lending=lending)


def _named_in(source: ChainProfile | ChainSection) -> Mapping[str, Address]:
    found = {role: getattr(source, role) for role in (*_ROLES, "router")}
    return {role: Address(address) for role, address in found.items() if address is not None}
