"""What the tests here stand on: one real broker for all of them, and a fresh real chain for each that asks."""

from real_parts import broker, built, cache, chain, own_broker, world

__all__ = ["broker", "built", "cache", "chain", "own_broker", "world"]
