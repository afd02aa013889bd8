"""`rehearse`: try proposals of dry-run books on forks."""

from typing import Any

from pipeline.errors import NodeError
from streams.cli.console import run, say, settings_for
from streams.devnet.artifacts import anvil_here
from streams.devnet.cache import DEFAULT_CACHE
from streams.settings import Settings


def rehearse() -> None:
    """Try the proposals of dry-run books on temporary forks, and publish the outcome of each."""
    settings = settings_for("rehearse", serving=True)
    run(_rehearse(settings))


async def _rehearse(settings: Settings) -> None:
    from streams.node.right_chain import require_chain  # noqa: PLC0415
    from streams.rehearse.serve import run_tries  # noqa: PLC0415 - web3 takes its time

    try:
        await require_chain(settings.rpc_urls[0], settings.chain)
    except NodeError as error:
        say(f"the node does not answer: {error}; each try asks it again")
    await run_tries(
        kafka=settings.kafka,
        chain_id=settings.chain,
        partitions=settings.partitions,
        instance=settings.instance,
        forks=_forks(settings),
    )


def _forks(settings: Settings) -> Any:
    from streams.rehearse.anvil import AnvilForks, NoForks  # noqa: PLC0415

    program = anvil_here(cache=settings.cache or DEFAULT_CACHE)
    return (
        NoForks()
        if program is None
        else AnvilForks(program, settings.rpc_urls[0], limit=settings.rpc_limits[0])
    )
