"""What the tests here stand on: one real broker for all of them, and a fresh real chain for each that asks."""

from cli_desk import desk, kept
from cli_run import evenkeel
from real_parts import broker, built, cache, chain, node, own_broker, proxy, world

__all__ = [
    "broker",
    "built",
    "cache",
    "chain",
    "desk",
    "evenkeel",
    "kept",
    "node",
    "own_broker",
    "proxy",
    "world",
]
