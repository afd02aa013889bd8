"""`doctor`'s row `node`: the chain that each node follows, its lag and its latency."""

import asyncio
import time
from collections.abc import Iterator

from pipeline.errors import PASSING_TROUBLE, NodeError
from streams.redaction import node_name
from streams.settings import Settings

TRIES, TRIED_AGAIN_S = 3, 1.0


async def node_row(settings: Settings) -> str:
    """Ask which chain each node follows, how far, and how long it takes to say so."""
    told = await asyncio.gather(
        *(_one_node(url, settings) for url in settings.rpc_urls), return_exceptions=True
    )
    for each in told:
        if isinstance(each, BaseException) and not isinstance(each, NodeError):
            raise each
    if any(isinstance(each, NodeError) for each in told):
        raise NodeError("; ".join(map(str, told)))
    return "; ".join([*map(str, told), *_budgets(settings)])


def _budgets(settings: Settings) -> Iterator[str]:
    """Describe how often each node may be asked, and what of that counts together; nothing where there is no bound."""
    limits = settings.whole_limits
    if not any(each.is_bounded for each in limits):
        return
    for url, each in zip(settings.rpc_urls, limits, strict=True):
        bounds = {"per second": each.per_second, "in 24h": each.per_day}
        told = ", ".join(f"{most} {per}" for per, most in bounds.items() if most is not None)
        yield f"budget of {node_name(url)}: {told or 'none'}"
    yield (
        f"this process's share is {settings.rpc_share} %; `watch`, `backfill`, `rehearse` and `submit` each count their own questions "
        "from their start, commands like this one count none"
    )


async def _one_node(url: str, settings: Settings) -> str:
    """Ask a node; again where it has passing trouble, then it counts as away. Raises: NodeError."""
    from streams.node.http_node import HttpNode  # noqa: PLC0415 - takes its time

    name, node = node_name(url), HttpNode(url)
    began_s = time.monotonic()
    try:
        for left in reversed(range(TRIES)):
            try:
                chain_id, newest = await node.chain_id(), await node.newest()
                break
            except PASSING_TROUBLE as error:
                if not left:
                    raise NodeError(f"{name} was asked {TRIES} times: {error}") from None
                await asyncio.sleep(TRIED_AGAIN_S)
    finally:
        await node.close()
    if chain_id != settings.chain:
        raise NodeError(f"{name} follows chain {chain_id}, this deployment is on {settings.chain}")
    took_ms = 1_000 * (time.monotonic() - began_s)
    return f"{name} follows chain {chain_id}, at block {newest.block.number}, in {took_ms:.0f} ms"
