"""Check that the contracts which a portfolio takes from its chain's file have the stated code, before they are followed."""

from collections.abc import Collection
from pathlib import Path

from contracts_abi.chains import ROLES, ChainFile
from pipeline.errors import NodeError, SettingsError
from streams.cli.console import say
from streams.portfolio.chain_file import chain_file_for
from streams.portfolio.chain_section import chain_section_of
from streams.run_folder import read_text
from streams.settings import Settings


async def check_contracts(settings: Settings, portfolio: Path) -> None:
    """Ask every node about these contracts; where one does not answer or the file cannot be read, say that they go unchecked.

    Raises: SettingsError naming the chain's file and the field that a node contradicts, or a node of another chain.
    """
    from streams.node.chain_code import require_code  # noqa: PLC0415 - takes its time

    try:
        chain = chain_file_for(settings.chain, portfolio)
        roles = () if chain is None else _taken_from(chain, portfolio)
    except SettingsError as error:
        say(f"the code of the chain's contracts is not checked: {error}")
        return
    if chain is None:
        return
    try:
        await require_code(settings.rpc_urls, chain, roles)
    except NodeError as error:
        say(f"the code of the chain's contracts is not checked: {error}")


def _taken_from(chain: ChainFile, portfolio: Path) -> Collection[str]:
    """List the roles in which a portfolio names no other contract than its chain's file. Raises: SettingsError."""
    if not portfolio.exists():
        return ROLES
    section = chain_section_of(read_text(portfolio), str(portfolio))
    if section.id != chain.chain_id:
        return ROLES
    return chain.contracts.taken_by(section)
