"""Check which chain a node follows before anything is written to a deployment."""

from pipeline.errors import SettingsError
from pipeline.units import ChainId
from streams.node.http_node import HttpNode

_ANSWER_TIMEOUT_S = 10.0


def check_chain(found: ChainId, expected: ChainId) -> None:
    """Compare a node's chain id with the deployment's. Raises: SettingsError."""
    if found != expected:
        raise SettingsError(f"the node follows chain {found}, this deployment is of chain {expected}")


async def require_chain(rpc_url: str, chain_id: ChainId) -> None:
    """Ask a node once. Raises: SettingsError if it follows another chain, NodeError if it does not answer."""
    node = HttpNode(rpc_url, timeout_s=_ANSWER_TIMEOUT_S)
    try:
        check_chain(await node.chain_id(), chain_id)
    finally:
        await node.close()
