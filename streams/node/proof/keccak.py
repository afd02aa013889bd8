"""Hash with Keccak-256 by pysha3 where its wheel is installed, else by pycryptodome: a block is proven by hundreds of hashes."""

from collections.abc import Callable
from typing import Final

from eth_hash.abc import BackendAPI
from eth_hash.utils import load_backend


def _fastest() -> BackendAPI:
    try:
        return load_backend("pysha3")
    except ImportError:  # of systems for which no wheel is published
        return load_backend("pycryptodome")


keccak: Final[Callable[[bytes], bytes]] = _fastest().keccak256
