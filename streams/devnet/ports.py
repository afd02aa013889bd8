"""Choose a free TCP port on this machine."""

import random
import socket

from pipeline.errors import DevnetError

HOST = "127.0.0.1"
# Below the range of outgoing connections: a client that retries a dead port inside that range can connect to itself.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200


def free_port(usual: int | None = None) -> int:
    """Pick a port nobody listens on, the usual one if it is free.

    Raises: DevnetError if none of many tried ports is free.
    """
    if usual is not None and is_free(usual):
        return usual
    for _ in range(_TRIES):
        port = random.SystemRandom().randrange(_FIRST, _LAST)
        if is_free(port):
            return port
    raise DevnetError(f"no free TCP port found on {HOST} between {_FIRST} and {_LAST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
