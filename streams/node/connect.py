"""Connect to a chain by one node, or by several that are asked as one."""

from collections.abc import Sequence

from streams.node.budget import RateLimit
from streams.node.http_node import HttpNode
from streams.node.several_nodes import SeveralNodes, usual_quorum
from streams.node.single_node import OneNode
from streams.redaction import node_name


def connect(
    urls: Sequence[str],
    *,
    timeout_s: float,
    quorum: int | None = None,
    limits: Sequence[RateLimit] = (),
) -> OneNode | SeveralNodes:
    """Make a node of some URLs, in order of preference, without asking anything yet. Two URLs of one host and port are one node.

    Each may be asked as its limit says, the first of such two's; without any, without bound.
    """
    named: dict[str, HttpNode] = {}
    for url, limit in zip(urls, limits or [RateLimit()] * len(urls), strict=True):
        if node_name(url) not in named:
            named[node_name(url)] = HttpNode(url, timeout_s=timeout_s, limit=limit)
    if len(named) == 1:
        ((name, node),) = named.items()
        return OneNode(name, node, budget=node.budget)
    return SeveralNodes(
        named,
        quorum=min(quorum or usual_quorum(len(named)), len(named)),
        budgets={name: node.budget for name, node in named.items()},
    )
