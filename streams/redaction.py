"""Remove secrets from log lines and errors."""

import json
import re
import secrets
from collections.abc import Iterator
from hashlib import blake2b
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

HIDDEN = "***"

_URL = re.compile(r"\b(?P<scheme>[a-z][a-z0-9+.-]{1,15})://(?P<rest>[^\s'\"<>|`]+)", re.IGNORECASE)
_KEY_IN_PATH = re.compile(r"(?<=/)(?=[^/]*\d)[A-Za-z0-9_.~-]{16,}")
_MIXED = re.compile(r"(?=.*\d)(?=.*[A-Za-z]).{8,}")
_BYTES_32 = re.compile(r"(?<![0-9a-zA-Z])(?P<start>(?:0x)?[0-9a-fA-F]{8})[0-9a-fA-F]{56}(?![0-9a-zA-Z])")
_NAMED = re.compile(
    r"(?P<name>\b(?:\w*(?:password|passwd|passphrase|secret|api_?key|private_?key|mnemonic)|authorization|bearer)"
    r"['\"]?\s*[:=]\s*['\"]?(?:bearer\s+|basic\s+)?)(?!unknown (?:field|variable)\b)(?P<value>[^\s'\",;&}]+)",
    re.IGNORECASE,
)

_SHORTEST_SECRET = 6
_LOOPBACK = "127.0.0.1"
_USUAL_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SHORTEST_KEY = 16

_known: set[str] = set()
_digests: dict[int, set[bytes]] = {}
"""By length, of the secrets of which no copy is kept."""
_salt = secrets.token_bytes(32)


def remember_secret(text: str) -> None:
    """Hide this text wherever it appears from now on; of a URL, what in it may be a key."""
    if "://" not in text:
        _known.add(text)
        return
    parts = urlsplit(text)
    words = [parts.password, *(value for _, value in parse_qsl(parts.query))]
    _known.update(word for word in words if word and len(word) >= _SHORTEST_SECRET)
    # `mainnet` and `ethereum` in a path are not secrets, and hidden they would make a log unreadable
    _known.update(
        word for word in parts.path.split("/") if len(word) >= _SHORTEST_KEY or _MIXED.fullmatch(word)
    )


def remember_password(password: str) -> None:
    """Hide a password from now on, also as it looks inside a quoted text."""
    _known.update({password, repr(password)[1:-1], json.dumps(password)[1:-1]})


def node_name(url: str) -> str:
    """Name a node without its secrets, and the same however its URL is written: host and port."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _USUAL_PORTS.get(parts.scheme, 0)
    return f"{_LOOPBACK if is_loopback(url) else host}:{port}"


def place_of(url: str) -> str:
    """Name host and port of a URL as they are written, without its secrets."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or _USUAL_PORTS.get(parts.scheme, 0)}"


def is_node_url(url: str) -> bool:
    """Return whether a URL can be a node's: http or https, with a host, and with a port that is one where it names one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port above 65535, or brackets around something that is no address
        return False


def is_loopback(url: str) -> bool:
    """Return whether a URL names this machine, by words alone: nothing is resolved."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def remember_digest(secret: str) -> None:
    """Hide a secret from now on without keeping it: whatever stands in a text is digested and compared.

    In upper and lower case, and as it looks inside a quoted text. The salt is this process's own.
    """
    for form in {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]} - {""}:
        _digests.setdefault(len(form), set()).add(_digest(form))


def _digest(text: str) -> bytes:
    return blake2b(text.lower().encode(errors="replace"), key=_salt, digest_size=16).digest()


def _digested(text: str) -> Iterator[tuple[int, int]]:
    """Find where secrets of which only digests are known begin and end."""
    for length, digests in _digests.items():
        for start in range(len(text) - length + 1):
            if _digest(text[start : start + length]) in digests:
                yield start, start + length


def _without_digested(text: str) -> str:
    shown, done = "", 0
    for start, end in sorted(_digested(text), key=lambda span: (span[0], -span[1])):
        if start >= done:
            shown += text[done:start] + HIDDEN
        done = max(done, end)
    return shown + text[done:]


def redact(text: str) -> str:
    """Hide credentials and keys in URLs, named secrets and remembered ones; shorten 32-byte hex.

    A private key and a block's hash look alike: both keep 8 digits, enough to know a hash by and of no use to a thief.
    """
    text = _without_digested(text)
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _URL.sub(_redact_url, text)
    text = _NAMED.sub(rf"\g<name>{HIDDEN}", text)
    return _BYTES_32.sub(r"\g<start>…", text)


def _redact_url(match: re.Match[str]) -> str:
    host, slash, path = match["rest"].partition("/")
    host, question, _ = host.partition("?")
    credentials, at, host = host.rpartition("@")
    del credentials
    path, mark, _ = path.partition("?")
    question = question or mark
    shown = _KEY_IN_PATH.sub(HIDDEN, f"{slash}{path}")
    return (
        f"{match['scheme']}://{HIDDEN if at else ''}{at}{host}{shown}{question}{HIDDEN if question else ''}"
    )
