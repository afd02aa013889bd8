"""JSON-RPC over HTTP: bounded in time and size, many questions in one request, and never a secret in an error."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
import msgspec

from pipeline.errors import NodeError, NodeRefusedError
from streams.chain.bounded import ENCODINGS, read_bounded

_BATCH = 50
"""Questions in one request: what public nodes still take."""
_MOST_BYTES = 1 << 26
"""Of one response, unpacked: the receipts of ten full blocks weigh a sixth of it."""
_LONGEST_REASON = 200
_SHORTEST_SECRET = 6
_LIMIT_EXCEEDED = -32005  # of EIP-1474

Question = tuple[str, tuple[Any, ...]]
"""A method and its parameters."""


class _Refusal(msgspec.Struct, frozen=True):
    message: str = ""
    code: int = 0


class _Answer(msgspec.Struct, frozen=True):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: _Refusal | None = None


class Refused(msgspec.Struct, frozen=True):
    """The node's no to one question of several."""

    reason: str


Outcome = msgspec.Raw | Refused


class Rpc:
    """A connection to one node."""

    def __init__(self, url: str, *, timeout_s: float, most_bytes: int = _MOST_BYTES) -> None:
        """Take the node's URL, which may hold a key: it is shown nowhere."""
        self._url = url
        self._secrets = _secrets(url)
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None
        self._decoder = msgspec.json.Decoder(list[_Answer] | _Answer)

    async def ask(self, method: str, *params: Any) -> msgspec.Raw:
        """Ask one question. Raises: NodeRefusedError, NodeError."""
        (outcome,) = await self.ask_all([(method, params)])
        if isinstance(outcome, Refused):
            raise NodeRefusedError(f"{method}: {outcome.reason}")
        return outcome

    async def ask_all(self, questions: Sequence[Question]) -> list[Outcome]:
        """Ask many questions at once; the outcomes come in their order. Raises: NodeError."""
        parts = [questions[at : at + _BATCH] for at in range(0, len(questions), _BATCH)]
        answered = await asyncio.gather(*(self._ask_part(part) for part in parts))
        return [outcome for part in answered for outcome in part]

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask_part(self, questions: Sequence[Question]) -> list[Outcome]:
        requests = [
            {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
            for place, (method, params) in enumerate(questions)
        ]
        what = questions[0][0]
        payload = await self._post(what, msgspec.json.encode(requests if len(requests) > 1 else requests[0]))
        try:
            answers = self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NodeError(f"{what}: the answer is no JSON-RPC: {self._redacted(str(error))}") from None
        if isinstance(answers, _Answer) and len(questions) > 1:
            raise NodeError(f"{what}: the node takes no batch: {self._refusal(answers)}")
        if isinstance(answers, _Answer):  # of one question; a node that could not read it knows no id
            return [self._outcome(answers)]
        found = {answer.id: answer for answer in answers}
        if len(answers) != len(questions) or found.keys() != set(range(len(questions))):
            raise NodeError(f"{what}: {len(questions)} questions, {len(answers)} answers, not one for each")
        return [self._outcome(found[place]) for place in range(len(questions))]

    async def _post(self, what: str, body: bytes) -> bytes:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout_s)
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        headers = {"Content-Type": "application/json", "Accept-Encoding": ENCODINGS}
        try:
            # a redirect would carry signed bytes, and the key in a header, to whoever the node names
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                payload = await read_bounded(response, what=what, most_bytes=self._most_bytes)
                busy = response.status == 429 or response.status >= 500
                if busy or (response.status != 200 and not payload.lstrip().startswith((b"{", b"["))):
                    raise NodeError(f"{what}: the node answers HTTP {response.status}")
                return payload
        except TimeoutError:
            raise NodeError(f"{what}: no answer within {self._timeout_s} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # neither the text nor the chain of causes: both may hold the URL
            raise NodeError(f"{what}: no answer: {type(error).__name__}") from None

    def _outcome(self, answer: _Answer) -> Outcome:
        if answer.error is not None and answer.error.code == _LIMIT_EXCEEDED:
            raise NodeError(f"the node is busy: {self._refusal(answer)}")
        if answer.error is not None or not bytes(answer.result):
            return Refused(self._refusal(answer))
        return answer.result

    def _refusal(self, answer: _Answer) -> str:
        if answer.error is None:
            return "neither a result nor an error"
        return f"{self._redacted(answer.error.message)} ({answer.error.code})"

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = re.sub(r"\b(https?|wss?)://\S+", "***", text)
        return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "..."


def parsed(decoder: "msgspec.json.Decoder[Any]", answer: msgspec.Raw, what: str) -> Any:
    """Read a result of known shape. Raises: NodeError."""
    try:
        return decoder.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NodeError(f"{what}: {error}") from None


def _secrets(url: str) -> list[str]:
    """List the parts of a URL that may be a key, longest first."""
    parts = urlsplit(url)
    parameters = [value for _, value in parse_qsl(parts.query)]
    words = [parts.username, parts.password, *parts.path.split("/"), parts.query, *parameters]
    plain = {form for word in words if word for form in (word, unquote(word))}
    return sorted((word for word in plain if len(word) >= _SHORTEST_SECRET), key=len, reverse=True)
