"""The way to a chain: one node, or several that are asked as one."""

from collections.abc import Sequence

from streams.node.http_node import HttpNode
from streams.node.port import Node
from streams.node.several import SeveralNodes, usual_quorum
from streams.redaction import node_name


def connect(urls: Sequence[str], *, timeout_s: float, quorum: int | None = None) -> Node:
    """Take the nodes of some URLs, in order of preference; nothing is asked yet. Two URLs of one host and port are one node."""
    nodes = {node_name(url): HttpNode(url, timeout_s=timeout_s) for url in reversed(urls)}
    in_order = dict(reversed(nodes.items()))
    if len(in_order) == 1:
        return next(iter(in_order.values()))
    return SeveralNodes(in_order, quorum=min(quorum or usual_quorum(len(in_order)), len(in_order)))
