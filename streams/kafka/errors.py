"""Explain a broker's refusal in one line that says what to do: a password, a certificate, an ACL."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka.conn import create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from pipeline.errors import AccessError, EvenkeelError, InfrastructureError
from streams.kafka.access import KafkaAccess

log = structlog.get_logger(__name__)

_PROBE_TIMEOUT_S = 10.0
_SAID_AFTER_S = 5.0
"""After how long without an answer a command says that it waits for the broker."""
_PROBED_AFTER_S = 10.0
"""After how long without an answer each of the broker's addresses is asked whether it answers at all: aiokafka itself waits 40 s for each."""

_DENIALS: dict[type[KafkaError], str] = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "group",
    TransactionalIdAuthorizationFailed: "transactional id",
    ClusterAuthorizationFailedError: "cluster",
}
NOT_ALLOWED = frozenset(_DENIALS)
"""The errors that mean a missing ACL."""


# ------------------------------------------------------------------ an ACL
def denied(error: BaseException, kafka: KafkaAccess, *, topic: str = "") -> AccessError | None:
    """Name the missing ACL, if an error is about one; `topic` helps where the error does not name it."""
    kind = next((word for known, word in _DENIALS.items() if isinstance(error, known)), None)
    if kind is None:
        return None
    return not_allowed(kafka, kind, _names_in(error) or ([topic] if topic else []))


def not_allowed(kafka: KafkaAccess, kind: str, names: Iterable[str]) -> AccessError:
    """Return the error for a user without a permission, which names where the ACLs of its role are listed."""
    what = " ".join([kind, ", ".join(sorted(names))]).strip()
    needs = f"role {kafka.role} needs" if kafka.role else "each role needs"
    listed = f"`evenkeel topics acls {kafka.role}".rstrip() + "`"
    return AccessError(
        f"{kafka.who} may not use {what}: an ACL that {needs} is missing ({listed} lists them)"
    )


def _names_in(error: BaseException) -> list[str]:
    found: list[str] = []
    for argument in error.args:
        if isinstance(argument, str):
            found.append(argument)
        elif isinstance(argument, set | frozenset | list | tuple):
            found += [name for name in argument if isinstance(name, str)]
    return found


def in_words(error: KafkaError) -> str:
    """Describe a broker's error; one of the connection says only which addresses were tried."""
    if isinstance(error, KafkaConnectionError):
        return "nobody answers: is the broker running, and is EVENKEEL_BROKER its address?"
    return str(error) or type(error).__name__


async def hidden(client: Any, names: Iterable[str]) -> list[str]:
    """List the topics whose existence the broker hides from us, for want of an ACL."""
    question = MetadataRequest(list(names), allow_auto_topic_creation=False)
    answer = (await client.send(client.get_random_node(), question)).to_object()
    code = TopicAuthorizationFailedError.errno
    return [topic["topic"] for topic in answer["topics"] if topic["error_code"] == code]


# ------------------------------------------------------------------ a password or a certificate
async def started(client: Any, kafka: KafkaAccess, *, writes: str = "") -> None:
    """Start a client; an idempotent producer that may write to no topic is refused here, so the error names what it writes.

    Raises: AccessError if broker and client do not accept each other, InfrastructureError if it hangs up or stays silent,
    else what the client raises.
    """
    try:
        async with _unless_silent(kafka):
            await client.start()
    except KafkaError as error:
        refused: EvenkeelError | None = denied(error, kafka)
        if writes and isinstance(error, ClusterAuthorizationFailedError):
            refused = not_allowed(kafka, "topic", [writes])
        if refused is None and isinstance(error, KafkaConnectionError):  # it does not say why
            refused = await why_refused(kafka)
        if refused is not None:
            raise refused from None
        raise
    except (ValueError, KeyError):  # a SCRAM proof that is not one
        if kafka.login is None:
            raise
        raise _impostor(kafka, f"the broker at {kafka.bootstrap}") from None


@asynccontextmanager
async def _unless_silent(kafka: KafkaAccess) -> AsyncIterator[None]:
    """Break the block off once no address of the broker answers and one stays silent; where one does, the client has all its time.

    Raises: InfrastructureError.
    """
    try:
        async with asyncio.timeout(None) as limit:
            listening = asyncio.create_task(_end_if_silent(kafka, limit))
            try:
                yield
            finally:
                listening.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        after_s = _PROBED_AFTER_S + _PROBE_TIMEOUT_S
        raise _silent(kafka, f"the broker at {kafka.bootstrap}", after_s) from None


async def _end_if_silent(kafka: KafkaAccess, limit: asyncio.Timeout) -> None:
    await asyncio.sleep(_SAID_AFTER_S)
    log.warning("waits for the broker to answer", broker=kafka.bootstrap)
    await asyncio.sleep(_PROBED_AFTER_S - _SAID_AFTER_S)
    probes = (_probe(address, kafka) for address in kafka.bootstrap.split(","))
    answers = await asyncio.gather(*probes, return_exceptions=True)
    if None not in answers and any(isinstance(answer, TimeoutError) for answer in answers):
        limit.reschedule(asyncio.get_running_loop().time())


async def _probe(address: str, kafka: KafkaAccess) -> None:
    """Connect to an address and ask it something. Raises: TimeoutError if it stays silent, else what aiokafka raises."""
    arguments = {key: value for key, value in kafka.client().items() if key != "bootstrap_servers"}
    host, _, port = address.strip().rpartition(":")
    async with asyncio.timeout(_PROBE_TIMEOUT_S):
        connection = await create_conn(host.strip("[]"), int(port), **arguments)
        try:
            await connection.send(MetadataRequest([]))  # who must log in first is let in so far
        finally:
            connection.close()


async def stopped(client: Any) -> None:
    """Stop a client. While a broker is lost, aiokafka reports the end of its own fetch as if we had been cancelled."""
    await without_its_cancellation(client.stop())


async def without_its_cancellation(work: Coroutine[Any, Any, object]) -> None:
    """Await something that may cancel itself; only a cancellation of ours is raised."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
    if not task.cancelled():
        task.result()


async def why_refused(kafka: KafkaAccess) -> EvenkeelError | None:
    """Connect once to each address, and say why broker and client cannot talk; None if nobody answers."""
    for address in kafka.bootstrap.split(","):
        at = f"the broker at {address.strip()}"
        try:
            await _probe(address, kafka)
        except ssl.SSLError as error:
            return _no_tls(error, kafka, at)
        except (KafkaConnectionError, ConnectionResetError):
            return _hung_up(kafka, at)
        except KafkaError as error:
            return _no_login(error, kafka, at)
        except (ValueError, KeyError):
            return _impostor(kafka, at)
        except TimeoutError:
            return _silent(kafka, at, _PROBE_TIMEOUT_S)
        except OSError:
            continue
    return None


def _no_login(error: KafkaError, kafka: KafkaAccess, at: str) -> EvenkeelError:
    match error:
        case SaslAuthenticationFailed():
            return AccessError(
                f"{at} does not know {kafka.who} with this password "
                "(EVENKEEL_KAFKA_USER, EVENKEEL_KAFKA_PASSWORD_FILE, EVENKEEL_KAFKA_SASL_MECHANISM)"
            )
        case UnsupportedSaslMechanismError():
            mechanism = kafka.login.mechanism if kafka.login else "SASL"
            return AccessError(f"{at} does not take {mechanism} (EVENKEEL_KAFKA_SASL_MECHANISM)")
        case IllegalSaslStateError():
            return AccessError(
                f"{at} takes no login there (EVENKEEL_KAFKA_SECURITY_PROTOCOL is {kafka.protocol})"
            )
        case _:
            return InfrastructureError(f"{at}: {error or type(error).__name__}")


def _no_tls(error: ssl.SSLError, kafka: KafkaAccess, at: str) -> EvenkeelError:
    match error:
        case ssl.SSLCertVerificationError():
            return AccessError(
                f"{at} shows a certificate that is not trusted: {error.verify_message} (EVENKEEL_KAFKA_CA)"
            )
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return _hung_up(kafka, at)
        case _:
            reason = (error.reason or "the handshake fails").replace("_", " ").lower()
            return AccessError(
                f"{at} and we do not come to TLS: {reason} (EVENKEEL_KAFKA_SECURITY_PROTOCOL is {kafka.protocol}, "
                "a client certificate would be EVENKEEL_KAFKA_CERTIFICATE)"
            )


def _hung_up(kafka: KafkaAccess, at: str) -> EvenkeelError:
    """Describe a closed connection, which a stopping broker causes too."""
    return InfrastructureError(
        f"{at} hangs up: it stops, or it speaks something else there (EVENKEEL_KAFKA_SECURITY_PROTOCOL is "
        f"{kafka.protocol}), or it asks for a client certificate (EVENKEEL_KAFKA_CERTIFICATE)"
    )


def _silent(kafka: KafkaAccess, at: str, after_s: float) -> InfrastructureError:
    """Describe a connection on which nothing comes."""
    return InfrastructureError(
        f"{at} does not answer within {after_s:.0f} s: it is starting or too busy, or it speaks something else "
        f"there (EVENKEEL_KAFKA_SECURITY_PROTOCOL is {kafka.protocol})"
    )


def _impostor(kafka: KafkaAccess, at: str) -> EvenkeelError:
    return AccessError(
        f"{at} cannot prove that it knows the password of {kafka.who}: it is not the one it should be"
    )
