"""Read the body of an HTTP response up to a limit, counted after decompression."""

import zlib

import aiohttp

from pipeline.errors import BrokenAnswerError, TooMuchAskedError

_CHUNK_BYTES = 1 << 16
_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
ENCODINGS = ", ".join(_WINDOW_BITS)
"""What `read_bounded` can unpack, as a request header says it. The session must not unpack by itself."""


async def read_bounded(response: aiohttp.ClientResponse, *, what: str, most_bytes: int) -> bytes:
    """Read and decompress a body. Raises: TooMuchAskedError where it is too long, BrokenAnswerError where it cannot be decompressed."""
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    window_bits = _WINDOW_BITS.get(encoding)
    if window_bits is None and encoding != "identity":
        raise BrokenAnswerError(f"{what}: the answer is packed in a way that nobody asked for")
    unpack = None if window_bits is None else zlib.decompressobj(window_bits)
    payload = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        try:
            # one byte more than allowed is enough to know
            payload += chunk if unpack is None else unpack.decompress(chunk, most_bytes + 1 - len(payload))
        except zlib.error:
            raise BrokenAnswerError(f"{what}: the answer cannot be unpacked") from None
        if len(payload) > most_bytes:
            raise TooMuchAskedError(f"{what}: the answer is longer than {most_bytes} bytes")
    return bytes(payload)
