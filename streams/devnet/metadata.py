"""The one question to a broker that needs no client: who serves here."""

import socket
import struct

_API_METADATA, _VERSION = 3, 5
_TIMEOUT_S = 2.0
_NO_TOPICS = struct.pack(">i?", 0, False)  # noqa: FBT003 - "may create topics" on the wire
_CLIENT = b"evenkeel"


def answers_metadata(host: str, port: int) -> bool:
    """Whether the broker answers a metadata request and names itself: from then on it serves."""
    header = struct.pack(f">hhih{len(_CLIENT)}s", _API_METADATA, _VERSION, 1, len(_CLIENT), _CLIENT)
    request = header + _NO_TOPICS
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _receive(connection, 4))
            answer = _receive(connection, size)
    except OSError:
        return False
    _correlation, _throttle_ms, brokers = struct.unpack_from(">iii", answer)
    return bool(brokers > 0)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("the broker hung up")
        received += part
    return received
