"""The file that describes a portfolio's chain, for whoever needs nothing else of the portfolio."""

from pathlib import Path

from contracts_abi.chains import ChainFile, ChainFileError, read_chain_file
from streams.yaml_positions import Problem, read_yaml


def chain_file_of(text: str, file: str) -> ChainFile | None:
    """Read the chain's file that a portfolio names; None where it names none. Raises: SettingsError naming both."""
    document = read_yaml(text, file)
    chain = document.value.get("chain") if isinstance(document.value, dict) else None
    named = chain.get("profile") if isinstance(chain, dict) else None
    if not isinstance(named, str):
        return None
    try:
        return read_chain_file(Path(named))
    except ChainFileError as error:
        raise document.refuse([Problem(("chain", "profile"), str(error))]) from None
