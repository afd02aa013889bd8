"""Fixtures of the integration tests: one real broker for all of them, and a fresh real chain for each that requests one."""

from cli_desk import desk, kept
from cli_run import evenkeel
from hedged_desk import market
from real_parts import broker, built, cache, chain, node, own_broker, proxy, world

__all__ = [
    "broker",
    "built",
    "cache",
    "chain",
    "desk",
    "evenkeel",
    "kept",
    "market",
    "node",
    "own_broker",
    "proxy",
    "world",
]
