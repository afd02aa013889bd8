"""Classify a node's errors: the only module that reads error codes, HTTP statuses and nodes' messages.

Providers agree on little: the same limit comes as HTTP 429, as one of many codes inside a 200, or as a sentence.
What is recognised here becomes a type of `pipeline.errors`; everything else in Evenkeel matches on the type.
"""

import os
import re
from collections.abc import Mapping

import aiohttp

from pipeline.errors import (
    BlockUnknownError,
    BrokenAnswerError,
    CallRevertedError,
    MethodMissingError,
    NodeBusyError,
    NodeError,
    RequestRefusedError,
    StateGoneError,
    TooMuchAskedError,
)

_BUSY_STATUSES = frozenset({408, 425, 429})
_TOO_LARGE_STATUSES = frozenset({413, 414, 431})
_WRONG_URL_STATUSES = frozenset({301, 302, 307, 308, 401, 403, 404, 405})
_REVERTED_CODES = frozenset({3, -32015, *range(-38025, -38009)})  # the latter of eth_simulateV1
_BUSY_CODES = frozenset({15, 429, -429, -32005, -32007, -32016, -32029, -32097})
_MISSING_CODES = frozenset({-32601, -32004})
_UNKNOWN_CODES = frozenset({-32001})
_GONE_CODES = frozenset({4444})
_TOO_MUCH_CODES = frozenset({-32003, -32008, -38026})
_INVALID = frozenset({-32602, -32700})
"""Of JSON-RPC: the request itself is at fault, however many arguments are "too many" of them."""
_INTERNAL = -32603
"""Of JSON-RPC: the node's own fault, unless its words say more."""

_REVERTED = re.compile(
    r"\brevert|\bevm error\b|vm exception|vm execution error|out of gas|outofgas|gas required exceeds|invalid opcode"
    r"|bad instruction|invalid jump|bad jump|stack (under|over)flow|always failing transaction|insufficient funds",
    re.IGNORECASE,
)
_TOO_MUCH = re.compile(
    r"\bbatch|(response|result|payload|body|request|content)( size)? (is |was )?(too (large|big|long)|exceed)"
    r"|response size|entity too large|query returned more than",
    re.IGNORECASE,
)
_RATE = re.compile(r"\brate\b|rate.?limit|per second", re.IGNORECASE)
"""A limit in time, though it counts the questions of a batch."""
_MISSING = re.compile(
    r"method\b.*(not found|not exist|not (be )?(supported|available|allowed|enabled|whitelisted)|unsupported|disabled)"
    r"|(unsupported|unknown|invalid|no such) method|\beth_\w+\b.*not (supported|available|allowed|enabled)"
    r"|namespace.*(disabled|not)",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"missing trie node|missing (world )?state|(state|history)\b.*\b(pruned|gone|unavailable|not (available|found|stored))"
    r"|\bpruned\b|\barchive\b|no state available|proof window|does not have the state",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"(header|block|hash)\b.*(not found|unknown|not available|does not exist|not (currently )?canonical)"
    r"|unknown (block|header)|could not find (the )?(block|header)|cannot find (block|header)|block ?out ?of ?range"
    r"|resource not found|beyond (current )?head|ahead of",
    re.IGNORECASE,
)
_HEIGHTS = re.compile(r"height is (\d+) but requested was (\d+)")
"""How anvil names a block that it has not, and also one below its head whose state it has not."""
_BUSY = re.compile(
    r"\brate\b|rate.?limit|too many|limit (exceeded|reached)|(exceeded|reached).*\b(limit|capacity|quota)|throttl|\bquota\b"
    r"|time.?out|timed out|deadline exceeded|try again|temporar|unavailable|overload|\bbusy\b|capacity|compute units"
    r"|\b(http|status|code|error)\b\D{0,12}\b(429|50[0-9]|52[0-9])\b|bad gateway|no backend|upstream|connection (refused|reset|closed)|error sending request",
    re.IGNORECASE,
)


_IN_SHORT: Mapping[type[NodeError], str] = {
    NodeBusyError: "the node is busy: ",
    StateGoneError: "the node no longer has the state of that block (an archive node has): ",
}
"""What is put before a node's own words."""


def error_of(method: str, *, code: int, message: str, status: int = 200) -> NodeError:
    """Classify an error in a node's answer, whose message must be free of keys already."""
    sort = _sort_of(code, message, status)
    says = f"{message or 'no reason given'} ({code}), HTTP {status}"
    return sort(f"{method}: {_IN_SHORT.get(sort, '')}{says}")


def error_of_status(method: str, status: int) -> NodeError:
    """Classify an HTTP answer without JSON-RPC by its status alone."""
    if status in _BUSY_STATUSES or status >= 500:
        return NodeBusyError(f"{method}: the node is busy: HTTP {status}")
    if status in _TOO_LARGE_STATUSES:
        return TooMuchAskedError(f"{method}: the request is too large: HTTP {status}")
    hint = ": is its URL right, and the key in it?" if status in _WRONG_URL_STATUSES else ""
    return RequestRefusedError(f"{method}: the node answers HTTP {status}{hint}")


def error_of_connection(method: str, error: Exception, *, name: str) -> NodeBusyError:
    """Say why a node could not be asked, without the error's own text, which may hold the URL.

    `name` is the node's host and port.
    """
    return NodeBusyError(f"{method}: no answer from {name}: {_why_no_connection(error)}")


def _why_no_connection(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "its name does not resolve (DNS)"
        case aiohttp.ClientConnectorCertificateError():
            return "its TLS certificate is not valid"
        case aiohttp.ClientSSLError():
            return "TLS fails: is it http instead of https?"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return "it closed the connection in the middle"
        case _:
            return type(error).__name__


def error_of_page(method: str, payload: bytes) -> NodeError | None:
    """Classify an answer of HTTP 200 that is a web page: a proxy speaks, not the node."""
    if payload.lstrip()[:1] == b"<":
        return NodeBusyError(
            f"{method}: the node is busy: HTTP 200 with a web page, no JSON-RPC: is the URL a node's?"
        )
    return None


def broken(method: str, says: str) -> BrokenAnswerError:
    """Describe what is wrong with an answer."""
    return BrokenAnswerError(f"{method}: {says}")


def _sort_of(code: int, message: str, status: int) -> type[NodeError]:
    """Classify an error by its surest sign first: a contract may put any words into its reason, so a revert comes before words."""
    if code in _REVERTED_CODES or _REVERTED.search(message):
        return CallRevertedError
    if code in _TOO_MUCH_CODES or status in _TOO_LARGE_STATUSES:
        return TooMuchAskedError
    if _TOO_MUCH.search(message) and not _RATE.search(message):
        return TooMuchAskedError
    if code in _BUSY_CODES or status in _BUSY_STATUSES or status >= 500:
        return NodeBusyError
    heights = _HEIGHTS.search(message)
    if heights is not None:
        return StateGoneError if int(heights[2]) <= int(heights[1]) else BlockUnknownError
    for sort, codes, words in (
        (MethodMissingError, _MISSING_CODES, _MISSING),
        (StateGoneError, _GONE_CODES, _GONE),
        (BlockUnknownError, _UNKNOWN_CODES, _UNKNOWN),
        (NodeBusyError, frozenset({_INTERNAL}), _BUSY),
    ):
        if code in codes or (words.search(message) and not (sort is NodeBusyError and code in _INVALID)):
            return sort
    return RequestRefusedError
