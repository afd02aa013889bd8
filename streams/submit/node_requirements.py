"""Check which nodes a signer may rely on: enough of them, over connections that nobody can tamper with, of the right chain."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pipeline.errors import NodeRefusedError, SettingsError
from pipeline.units import ChainId
from streams.node.rpc import Rpc, parsed
from streams.redaction import is_loopback, node_name

DEV_CHAINS = frozenset({ChainId(1_337), ChainId(31_337)})
"""Chains that anybody may run on a laptop; every other is taken for one where a key is worth something."""
_DEVNET = ChainId(31_337)
_DEV_CLIENTS = ("anvil", "hardhat")
_TEXT = msgspec.json.Decoder(str)


class NodeTerms(Protocol):
    """What a signer's file says about nodes."""

    @property
    def chain(self) -> ChainId:
        """The chain that the signer signs for."""
        ...

    @property
    def single_node(self) -> bool:
        """Whether one node is enough: the operator trusts what it says."""
        ...

    @property
    def allow_http(self) -> bool:
        """Whether answers may come over unencrypted connections, which others can read and change."""
        ...


def check_urls(urls: Sequence[str], terms: NodeTerms) -> None:
    """Refuse too few nodes, and unencrypted URLs that leave this machine. Raises: SettingsError."""
    for url in urls:
        check_way(url, terms, field="rpc_url")
    if len({node_name(url) for url in urls}) > 1 or terms.single_node or terms.chain == _DEVNET:
        return
    raise SettingsError(
        "rpc_url: the signer must ask two independent nodes, as one could lie to it about prices: name URLs of two "
        "hosts, or write `single_node: true` in its file"
    )


def check_way(url: str, terms: NodeTerms, *, field: str) -> None:
    """Refuse a plain `http:` URL of another machine. Raises: SettingsError."""
    if url.lower().startswith("http:") and not is_loopback(url) and not terms.allow_http:
        raise SettingsError(
            f"{field}: {node_name(url)} is reached without encryption, so others may change what it says: use https, "
            "or write `allow_http: true` in the signer's file"
        )


async def check_clients(urls: Sequence[str], chain_id: ChainId, *, timeout_s: float) -> None:
    """Refuse a local test node that claims to be a public chain. Raises: SettingsError, NodeError."""
    if chain_id in DEV_CHAINS:
        return
    for url in urls:
        version = await _client_version(url, timeout_s=timeout_s)
        if version.lower().startswith(_DEV_CLIENTS):
            raise SettingsError(
                f"rpc_url: {node_name(url)} is {version[:60]!r}, a test node, but chain {chain_id} is a public one: "
                "what it signs could be sent to the real chain by anybody"
            )


async def _client_version(url: str, *, timeout_s: float) -> str:
    """Ask a node for its name and version; empty where it does not answer."""
    rpc = Rpc(url, timeout_s=timeout_s)
    try:
        return str(parsed(_TEXT, await rpc.ask("web3_clientVersion"), "web3_clientVersion"))
    except NodeRefusedError:
        return ""
    finally:
        await rpc.close()
