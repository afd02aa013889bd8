"""The ACLs of each role: what it needs on the broker for its work, and no more.

The tables of docs/security.md and the commands of `evenkeel topics acls` are made from this data, and the
integration tests hold every role to it on a real broker.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pipeline.errors import SettingsError
from pipeline.units import Address, ChainId
from streams.kafka.topics import (
    DEAD_LETTERS,
    DECISIONS,
    EVENTS,
    INTENTS,
    NONCES,
    OUTPUTS,
    PROCESSES,
    STATE,
    TOPICS,
    Topic,
)

Role = Literal["watch", "work", "submit", "rehearse", "view", "operate"]
Resource = Literal["topic", "group", "transactional-id"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]

_RESOURCE_CODES: Mapping[Resource, int] = {"topic": 2, "group": 3, "transactional-id": 5}
_PATTERN_CODES: Mapping[Pattern, int] = {"literal": 3, "prefixed": 4}
_OPERATION_CODES: Mapping[Operation, int] = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Describe": 8,
    "DescribeConfigs": 10,
}


class Acl(NamedTuple):
    """One permission of a user."""

    resource: Resource
    pattern: Pattern
    name: str
    operation: Operation

    @property
    def resource_codes(self) -> tuple[int, str, int]:
        """Return the resource in the codes of Kafka's protocol: type, name, pattern."""
        return _RESOURCE_CODES[self.resource], self.name, _PATTERN_CODES[self.pattern]

    @property
    def operation_code(self) -> int:
        """Return the operation in the codes of Kafka's protocol."""
        return _OPERATION_CODES[self.operation]


class Access(NamedTuple):
    """What a role reads and writes, and what it is for."""

    commands: tuple[str, ...]
    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    creates: bool = False


_ALL = tuple(TOPICS.values())

ROLES: Mapping[Role, Access] = {
    "watch": Access(("watch", "backfill"), reads=(EVENTS, STATE), writes=(EVENTS, PROCESSES)),
    "work": Access(
        ("work",),
        reads=(EVENTS, STATE, *OUTPUTS, DEAD_LETTERS),
        writes=(STATE, *OUTPUTS, DEAD_LETTERS, PROCESSES),
    ),
    "submit": Access(
        ("submit", "intents journal"),
        reads=(EVENTS, STATE, INTENTS, NONCES),
        writes=(EVENTS, NONCES, DEAD_LETTERS, PROCESSES),
    ),
    "rehearse": Access(("rehearse",), reads=(EVENTS, STATE, DECISIONS), writes=(EVENTS, PROCESSES)),
    "view": Access(
        (
            "positions",
            "inventory",
            "hedge",
            "plans",
            "curve",
            "volatility",
            "why",
            "topics",
            "doctor",
            "state",
            "intents list",
        ),
        reads=_ALL,
        writes=(),
    ),
    "operate": Access(
        ("apply", "pause", "resume", "skip", "adopt", "unwind", "kill", "drain", "intents close"),
        reads=_ALL,
        writes=(EVENTS, PROCESSES),
        creates=True,
    ),
}
"""Whoever writes `events.v1` may write every kind of event: an ACL knows topics, not messages."""


def transactional_id_of_shard(chain_id: ChainId, shard: object) -> str:
    """Return the transactional id of a shard: whoever starts a producer with it fences the shard's owner."""
    return f"{_prefix_of_shards(chain_id)}{shard}"


def transactional_id_of_signer(chain_id: ChainId, signer: Address) -> str:
    """Return the transactional id of a signer: whoever starts a producer with it fences the signer."""
    return f"evenkeel-{chain_id}.signer-{signer}"


def group_of_workers(chain_id: ChainId) -> str:
    """Return the consumer group in which workers share the shards."""
    return f"evenkeel-{chain_id}.work"


def _prefix_of_shards(chain_id: ChainId) -> str:
    return f"evenkeel-{chain_id}.shard-"


def acls(role: Role, chain_id: ChainId, *, signer: Address | None = None) -> Sequence[Acl]:
    """List the ACLs that a user of a role needs. Raises: SettingsError if a sender's account is missing."""
    every_topic = f"evenkeel-{chain_id}."
    found = [
        Acl("topic", "prefixed", every_topic, "Describe"),
        Acl("topic", "prefixed", every_topic, "DescribeConfigs"),
    ]
    access = ROLES[role]
    if access.reads == _ALL:
        found.append(Acl("topic", "prefixed", every_topic, "Read"))
    else:
        found += [Acl("topic", "literal", topic.on(chain_id), "Read") for topic in access.reads]
    found += [Acl("topic", "literal", topic.on(chain_id), "Write") for topic in access.writes]
    if access.creates:
        found.append(Acl("topic", "prefixed", every_topic, "Create"))
    if role == "work":
        found.append(Acl("group", "literal", group_of_workers(chain_id), "Read"))
        shards = _prefix_of_shards(chain_id)
        found += [
            Acl("transactional-id", "prefixed", shards, "Describe"),
            Acl("transactional-id", "prefixed", shards, "Write"),
        ]
    if role == "submit":
        if signer is None:
            raise SettingsError("role submit: name the signer's account, for its transactional id is its own")
        name = transactional_id_of_signer(chain_id, signer)
        found += [
            Acl("transactional-id", "literal", name, "Describe"),
            Acl("transactional-id", "literal", name, "Write"),
        ]
    return found


def role_of(command: str) -> Role | None:
    """Return the role of a command, if it uses the broker at all."""
    return next((role for role, access in ROLES.items() if command in access.commands), None)
