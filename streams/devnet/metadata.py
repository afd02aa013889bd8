"""Ask a broker for its cluster's id, without a client."""

import socket
import struct

_API_METADATA, _VERSION = 3, 5
_TIMEOUT_S = 2.0
_NO_TOPICS = struct.pack(">i?", 0, False)  # noqa: FBT003 - "may create topics" on the wire
_CLIENT = b"evenkeel"


def cluster_served(host: str, port: int) -> str | None:
    """Return the cluster's id once a broker answers a metadata request and names itself: from then on it serves."""
    header = struct.pack(f">hhih{len(_CLIENT)}s", _API_METADATA, _VERSION, 1, len(_CLIENT), _CLIENT)
    request = header + _NO_TOPICS
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _receive(connection, 4))
            return _cluster(_receive(connection, size))
    except (OSError, struct.error):  # nobody, or somebody who is not a broker
        return None


def _cluster(answer: bytes) -> str | None:
    """Read past correlation, throttle time and the brokers to the cluster's id."""
    (brokers,) = struct.unpack_from(">i", answer, 8)
    if brokers < 1:
        return None
    place = 12
    for _ in range(brokers):
        _, place = _text(answer, place + 4)  # node id, host
        _, place = _text(answer, place + 4)  # port, rack
    return _text(answer, place)[0]


def _text(answer: bytes, place: int) -> tuple[str | None, int]:
    (size,) = struct.unpack_from(">h", answer, place)
    start = place + 2
    if size < 0:
        return None, start
    return answer[start : start + size].decode(), start + size


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("the broker hung up")
        received += part
    return received
