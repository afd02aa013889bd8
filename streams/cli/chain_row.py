"""`doctor`'s row `chain`: compare the chain's file with the chain, and say what the file leaves open."""

from pathlib import Path

from contracts_abi.chains import ChainFile, known_chains
from pipeline.errors import SettingsError
from pipeline.units import ChainId
from streams.chain_numbers import numbers_in, numbers_of
from streams.human import duration_text
from streams.portfolio.chain_file import chain_file_of
from streams.run_folder import read_text
from streams.settings import Settings

_TIMEOUT_S = 10.0


async def chain_row(settings: Settings, portfolio: Path) -> str:
    """Hold the chain's file, a portfolio's own where it names one, against the chain.

    Raises: SettingsError naming what is not as the file says, or why no price counts now; NodeError.
    """
    from streams.node.chain_facts import chain_facts  # noqa: PLC0415 - takes its time
    from streams.node.http_node import HttpNode  # noqa: PLC0415
    from streams.node.rpc import Rpc  # noqa: PLC0415

    chain = _file_of(settings.chain, portfolio)
    url = settings.rpc_urls[0]
    node, rpc = HttpNode(url, timeout_s=_TIMEOUT_S), Rpc(url, timeout_s=_TIMEOUT_S)
    try:
        await node.chain_id()
        facts = await chain_facts(node, rpc, chain, (await node.newest()).block)
    finally:
        await rpc.close()
        await node.close()
    if facts.wrong:
        raise SettingsError("; ".join((*facts.wrong, *facts.notes)))
    return "; ".join((_known(settings.chain, chain), *facts.notes))


def _file_of(chain_id: ChainId, portfolio: Path) -> ChainFile | None:
    own = chain_file_of(read_text(portfolio), str(portfolio)) if portfolio.exists() else None
    return own if own is not None and own.chain_id == chain_id else known_chains().get(chain_id)


def _known(chain_id: ChainId, chain: ChainFile | None) -> str:
    if chain is None:
        numbers = numbers_of(chain_id)
        return (
            f"no file describes chain {chain_id}: it counts as one of a block every {duration_text(numbers.block_s)}, "
            f"final {numbers.final_depth_blocks} blocks below the head"
        )
    numbers, lacks = numbers_in(chain), ", ".join(chain.lacks())
    missing = f"; its file has not {lacks}" if lacks else ""
    return f"{chain.name}: a block every {chain.blocks.time_ms} ms, final {numbers.final_depth_blocks} blocks below the head{missing}"
