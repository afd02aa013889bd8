"""JSON-RPC over HTTP: bounded in time and size, many questions in one request, and never a secret in an error."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
import msgspec
import structlog
from msgspec.structs import asdict

from pipeline.errors import NodeBusyError, NodeError, TooMuchAskedError
from streams.backoff import Reminder
from streams.node.batch_sizes import Batches
from streams.node.bounded_body import ENCODINGS, read_bounded
from streams.node.budget import NodeBudget, RateLimit
from streams.node.misfits import misfit
from streams.node.node_errors import broken, error_of, error_of_connection, error_of_page, error_of_status
from streams.node.usage import Usage
from streams.plain_json import MALFORMED, plain_json
from streams.plain_text import one_line
from streams.redaction import place_of

log = structlog.get_logger(__name__)

_MOST_BYTES = 1 << 26
"""Of one response, unpacked: the receipts of ten full blocks weigh a sixth of it."""
_LONGEST_REASON = 200
_LIMITED_STATUSES = frozenset({429, 503})
_LONGEST_REST_S = 60
"""Whatever a node asks for: who stands still for longer than that wants to know why."""
_SHORTEST_SECRET = 6
_REMIND_S = 60.0
"""How often it is said that questions wait."""

Question = tuple[str, tuple[Any, ...]]
"""A method and its parameters."""


class _Refusal(msgspec.Struct, frozen=True):
    message: str | None = None
    code: int | str = 0


class _Answer(msgspec.Struct, frozen=True):
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: _Refusal | str | None = None


class CallRefused(msgspec.Struct, frozen=True):
    """Raised for one question of several that has no answer, for any reason but a busy node, which fails all of them."""

    error: NodeError


Outcome = msgspec.Raw | CallRefused


class Rpc:
    """A connection to one node."""

    def __init__(
        self, url: str, *, timeout_s: float, most_bytes: int = _MOST_BYTES, budget: NodeBudget | None = None
    ) -> None:
        """Set the node's URL, which may hold a key: it is shown nowhere."""
        self.budget = budget or NodeBudget(RateLimit())
        self._remind = Reminder(_REMIND_S)
        self._url = url
        self._secrets = _secrets(url)
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None
        self._decoder = msgspec.json.Decoder(list[_Answer] | _Answer)
        self._batches = Batches()
        self._rests_until_s = 0.0
        self.usage = Usage()

    @property
    def batch_size(self) -> int:
        """The number of questions in one request, as far as the node's refusals tell."""
        return self._batches.size

    async def ask(self, method: str, *params: Any) -> msgspec.Raw:
        """Ask one question. Raises: NodeError, of the type that `trouble` finds."""
        (outcome,) = await self.ask_all([(method, params)])
        return granted(outcome)

    async def ask_all(self, questions: Sequence[Question]) -> list[Outcome]:
        """Ask many questions at once; the results keep their order.

        A batch that the node refuses is asked again in halves, down to one question at a time.

        Raises: NodeError where the node is busy or an answer is broken.
        """
        size = min(self._batches.size, self.budget.most_at_once)
        parts = [questions[at : at + size] for at in range(0, len(questions), size)]
        turns_s = self.budget.reserve([len(part) for part in parts])
        answered = await asyncio.gather(*map(self._ask_part, parts, turns_s))
        return [outcome for part in answered for outcome in part]

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            log.debug("asked a node", **msgspec.structs.asdict(self.usage))

    async def _ask_part(self, questions: Sequence[Question], turn_s: float) -> list[Outcome]:
        """Ask in one request when its turn comes, or in two where that is too much for the node."""
        if turn_s > 0:
            if self._remind.is_due():
                log.info("waits for its turn", questions=len(questions), **asdict(self.budget.limit))
            await asyncio.sleep(turn_s)
        try:
            outcomes = await self._ask_once(questions)
        except TooMuchAskedError as error:
            if len(questions) == 1:
                return [CallRefused(error)]
            self._batches.refused(len(questions), error)
            half = (len(questions) + 1) // 2
            parts = [questions[:half], questions[half:]]
            turns_s = self.budget.reserve([len(part) for part in parts])
            return [each for at, part in enumerate(parts) for each in await self._ask_part(part, turns_s[at])]
        self._batches.taken(len(questions))
        return outcomes

    async def _ask_once(self, questions: Sequence[Question]) -> list[Outcome]:
        requests = [
            {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
            for place, (method, params) in enumerate(questions)
        ]
        what = questions[0][0]
        self.usage.sent(len(questions))
        status, payload = await self._post(
            what, msgspec.json.encode(requests if len(requests) > 1 else requests[0])
        )
        self.usage.received_bytes += len(payload)
        answers = self._decoded(what, status, payload)
        if isinstance(answers, list):
            return self._outcomes(questions, answers, status)
        if len(questions) > 1:
            raise self._no_batch(what, answers, status)
        if answers.id not in {0, None}:  # a node that could not read a question knows no id
            raise broken(what, "the answer is to another question")
        return [self._outcome(what, answers, status)]

    def _outcomes(
        self, questions: Sequence[Question], answers: Sequence[_Answer], status: int
    ) -> list[Outcome]:
        """Put answers into the order of their questions. Raises: NodeError."""
        what = questions[0][0]
        found = {answer.id: answer for answer in answers}
        if len(answers) == 1 < len(questions) and answers[0].error is not None:  # how geth refuses a batch
            raise self._no_batch(what, answers[0], status)
        if len(answers) != len(questions) or found.keys() != set(range(len(questions))):
            raise broken(what, f"{len(questions)} questions, {len(answers)} answers, not one for each")
        outcomes = [self._outcome(method, found[at], status) for at, (method, _) in enumerate(questions)]
        for outcome in outcomes:
            if isinstance(outcome, CallRefused) and isinstance(outcome.error, TooMuchAskedError):
                raise outcome.error
        return outcomes

    def _decoded(self, what: str, status: int, payload: bytes) -> "list[_Answer] | _Answer":
        """Read a response. Raises: NodeError."""
        try:
            answers: list[_Answer] | _Answer = self._decoder.decode(payload)
        except MALFORMED as error:
            if status != 200:
                raise error_of_status(what, status) from None
            page = error_of_page(what, payload)
            if page is not None:
                raise page from None
            raise broken(what, f"the answer is no JSON-RPC: {misfit(self._redacted(str(error)))}") from None
        return answers

    def _no_batch(self, what: str, answer: _Answer, status: int) -> NodeError:
        """Explain why many questions got one answer: a limit for now, or the node does not accept such a batch."""
        outcome = self._outcome(what, answer, status)
        if isinstance(outcome, CallRefused):
            return TooMuchAskedError(f"{what}: the node takes no batch: {outcome.error}")
        return broken(what, "one answer to many questions")

    async def _post(self, what: str, body: bytes) -> tuple[int, bytes]:
        waits_s = self._rests_until_s - time.monotonic()
        if waits_s > 0:
            raise NodeBusyError(
                f"{what}: the node is busy: it wants no questions for {waits_s:.0f} s (Retry-After)"
            )
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
                if response.status in _LIMITED_STATUSES:
                    self._rest(response.headers.get("Retry-After", ""))
                if response.status != 200 and not payload.lstrip().startswith((b"{", b"[")):
                    raise error_of_status(what, response.status)
                return response.status, payload
        except TimeoutError:
            raise NodeBusyError(f"{what}: no answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # neither the text nor the chain of causes: both may hold the URL
            raise error_of_connection(what, error, name=place_of(self._url)) from None

    def _rest(self, retry_after: str) -> None:
        """Pause for the seconds that the node asked for; a date is ignored."""
        if re.fullmatch(r"\d{1,6}", retry_after, re.ASCII):
            self._rests_until_s = time.monotonic() + min(int(retry_after), _LONGEST_REST_S)

    def _outcome(self, method: str, answer: _Answer, status: int) -> Outcome:
        """Return a result, or the reason why there is none. Raises: NodeBusyError."""
        if answer.error is None and bytes(answer.result) and status == 200:
            return answer.result
        if answer.error is None and status != 200:
            error: NodeError = error_of_status(method, status)
        elif answer.error is None:
            error = broken(method, "neither a result nor an error")
        else:
            said = answer.error if isinstance(answer.error, _Refusal) else _Refusal(message=answer.error)
            code = _number(said.code)
            error = error_of(method, code=code, message=self._redacted(said.message or ""), status=status)
        if isinstance(error, NodeBusyError):
            raise error
        return CallRefused(error)

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = one_line(re.sub(r"\b(https?|wss?)://\S+", "***", text))
        return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "..."


def granted(outcome: Outcome) -> msgspec.Raw:
    """Return the answer. Raises: NodeError where there is none."""
    if isinstance(outcome, CallRefused):
        raise outcome.error
    return outcome


def parsed(decoder: "msgspec.json.Decoder[Any]", answer: msgspec.Raw, what: str) -> Any:
    """Read a result of known shape. Raises: BrokenAnswerError."""
    try:
        return decoder.decode(answer)
    except MALFORMED as error:
        raise broken(what, misfit(str(error))) from None


def plain(answer: msgspec.Raw, what: str) -> Any:
    """Read a result of any shape. Raises: BrokenAnswerError."""
    try:
        return plain_json(bytes(answer))
    except MALFORMED as error:
        raise broken(what, misfit(str(error))) from None


def _number(code: int | str) -> int:
    """Read an error's code, which some nodes write as text; 0 where it is not a number."""
    if isinstance(code, int):
        return code
    return int(code) if re.fullmatch(r"-?\d{1,9}", code, re.ASCII) else 0


def _secrets(url: str) -> list[str]:
    """List the parts of a URL that may be a key, longest first."""
    parts = urlsplit(url)
    parameters = [value for _, value in parse_qsl(parts.query)]
    words = [parts.username, parts.password, *parts.path.split("/"), parts.query, *parameters]
    plain = {form for word in words if word for form in (word, unquote(word))}
    return sorted((word for word in plain if len(word) >= _SHORTEST_SECRET), key=len, reverse=True)
