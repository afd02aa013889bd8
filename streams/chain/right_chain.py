"""Which chain a node follows: asked before anything is written to a deployment that may be another chain's."""

import asyncio
import time

import structlog

from pipeline.errors import NodeError, SettingsError
from pipeline.units import ChainId
from streams.chain.node import HttpNode
from streams.chain.pace import Pace, retry_delay_s
from streams.chain.port import Node

log = structlog.get_logger(__name__)

_ANSWER_TIMEOUT_S = 10.0


def check_chain(found: ChainId, expected: ChainId) -> None:
    """Compare what a node says with the deployment's chain. Raises: SettingsError."""
    if found != expected:
        raise SettingsError(f"the node follows chain {found}, this deployment is of chain {expected}")


async def require_chain(rpc_url: str, chain_id: ChainId) -> None:
    """Ask a node once. Raises: SettingsError if it follows another chain, NodeError if it does not answer."""
    node = HttpNode(rpc_url, timeout_s=_ANSWER_TIMEOUT_S)
    try:
        check_chain(await node.chain_id(), chain_id)
    finally:
        await node.close()


async def await_chain(node: Node, chain_id: ChainId, pace: Pace) -> None:
    """Ask a node until it answers. Raises: SettingsError if it follows another chain.

    After the time in which a standstill is told, go on without its answer: who is begun can tell of it.
    """
    began_s = time.monotonic()
    failures = 0
    while time.monotonic() - began_s < pace.stall_after_s:
        try:
            check_chain(await node.chain_id(), chain_id)
        except NodeError as error:
            failures += 1
            log.warning("the node does not answer, nothing is begun", error=str(error), failures=failures)
            await asyncio.sleep(retry_delay_s(pace, failures - 1))
        else:
            return
