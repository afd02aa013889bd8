"""Read the chain's file that a portfolio names, without the rest of the portfolio."""

from pathlib import Path

from contracts_abi.chains import ChainFile, ChainFileError, known_chains, read_chain_file
from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.units import Address, ChainId
from streams.run_folder import read_text
from streams.yaml_positions import Problem, read_yaml

AAVE_V3 = "aave_v3"
"""Kind of the lending market that a chain's file knows."""
_NAME = "aave"


def lending_in(chain: ChainFile) -> VenueSpec | None:
    """Return a chain's lending market from its file, in the form of a portfolio; None where the file has none."""
    if chain.aave_v3 is None:
        return None
    contracts = (
        VenueContract(role=role, address=Address(place))
        for role, place in sorted(chain.aave_v3.places().items())
    )
    return VenueSpec(name=_NAME, kind=AAVE_V3, contracts=tuple(contracts))


def _named_in(text: str, file: str) -> ChainFile | None:
    """Read the chain file that a portfolio names; None where it names none. Raises: SettingsError naming both."""
    document = read_yaml(text, file)
    chain = document.value.get("chain") if isinstance(document.value, dict) else None
    named = chain.get("profile") if isinstance(chain, dict) else None
    if not isinstance(named, str):
        return None
    try:
        return read_chain_file(Path(named))
    except ChainFileError as error:
        raise document.refuse([Problem(("chain", "profile"), str(error))]) from None


def chain_file_for(chain_id: ChainId, portfolio: Path) -> ChainFile | None:
    """Return the chain's file: the one that a portfolio names, else the one of this release. Raises: SettingsError."""
    own = _named_in(read_text(portfolio), str(portfolio)) if portfolio.exists() else None
    return own if own is not None and own.chain_id == chain_id else known_chains().get(chain_id)
