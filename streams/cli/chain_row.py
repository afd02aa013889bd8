"""`doctor`'s row `chain`: compare the chain's file with the chain, and say what the file leaves open."""

from pathlib import Path

from contracts_abi.chains import ChainFile
from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import UNISWAP_V3, VenueSpec
from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import ChainId
from streams.chain_numbers import numbers_in, numbers_of, sequencer_in
from streams.human_numbers import duration_text
from streams.portfolio.chain_file import chain_file_for
from streams.portfolio.chain_section import chain_section_of
from streams.portfolio.sections import ChainSection
from streams.portfolio.venues import venue_specs
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

    section = _section_in(settings.chain, portfolio)
    chain = chain_file_for(settings.chain, portfolio)
    url = settings.rpc_urls[0]
    node, rpc = HttpNode(url, timeout_s=_TIMEOUT_S), Rpc(url, timeout_s=_TIMEOUT_S)
    try:
        await node.chain_id()
        facts = await chain_facts(
            node,
            rpc,
            chain,
            (await node.newest()).block,
            _deployments(section),
            sequencer=_uptime_feed(section, chain),
        )
    finally:
        await rpc.close()
        await node.close()
    if facts.wrong:
        raise SettingsError("; ".join((*facts.wrong, *facts.notes)))
    return "; ".join((_known(settings.chain, chain), *facts.notes))


def _section_in(chain_id: ChainId, portfolio: Path) -> ChainSection | None:
    """Read what a portfolio of this chain says of it; None where there is none."""
    text = read_text(portfolio) if portfolio.exists() else ""
    section = chain_section_of(text, str(portfolio)) if text else None
    return None if section is None or section.id != chain_id else section


def _uptime_feed(section: ChainSection | None, chain: ChainFile | None) -> SequencerFeed | None:
    """Return which uptime feed books of the portfolio go by, and without one the chain's file's."""
    if section is not None:
        return section.uptime_feed()
    return None if chain is None else sequencer_in(chain)


def _deployments(section: ChainSection | None) -> list[VenueSpec]:
    """List the further deployments of Uniswap V3 that a portfolio names."""
    if section is None:
        return []
    return [spec for spec in venue_specs(section) if spec.kind == UNISWAP_V3 and spec.has("factory")]


def _known(chain_id: ChainId, chain: ChainFile | None) -> str:
    if chain is None:
        numbers = numbers_of(chain_id)
        return (
            f"no file describes chain {chain_id}: it is taken for one with a block every {duration_text(numbers.block_s)}, "
            f"final {numbers.final_depth_blocks} blocks below the head"
        )
    numbers, lacks = numbers_in(chain), ", ".join(chain.lacks())
    missing = f"; its file has not {lacks}" if lacks else ""
    return f"{chain.name}: a block every {chain.blocks.time_ms} ms, final {numbers.final_depth_blocks} blocks below the head{missing}"
