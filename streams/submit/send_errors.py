"""Classify nodes' answers to signed bytes: geth, Nethermind, Erigon, Besu, reth and anvil in one vocabulary.

Only `underpriced` is about the price. Everything else is waited for, or ends the intent; nothing else raises a fee.
"""

import re
from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from pipeline.messages.journal import SendRefusal

_LONGEST_WORDS = 200

SendKind = Literal[
    "taken", "known", "nonce_too_low", "funds", "full", "underpriced", "invalid", "busy", "unclear"
]
"""`taken`: the node took the bytes now. `known`: it had them. `nonce_too_low`: their nonce is used, perhaps by them.

`funds`: the account cannot pay. `full`: the pool has no room. `underpriced`: more must be offered, than others or than
the transaction that is to be replaced. `invalid`: no node will take these bytes. `busy`: the node cannot answer now,
or did not; it may have the bytes. `unclear`: words that nobody has sorted yet.
"""

_WORDS: dict[SendKind, tuple[str, ...]] = {
    "known": (
        r"already ?known",
        r"already[_ ]?imported",
        r"already_exists",
        r"\bknown transaction",
        r"with (the )?same hash",
        r"already in (the )?(mem|tx|transaction )?pool",
        r"transaction already exists",
    ),
    "nonce_too_low": (
        r"nonce( is)? too low",
        r"\boldnonce",
        r"\bstale\b",
        r"already finalized",
        r"(^|: )mined\b",
        r"nonce has already been used",
        r"invalid transaction nonce",
    ),
    "funds": (
        r"insufficient ?funds",
        r"insufficient balance",
        r"upfront cost exceeds account balance",
        r"not enough funds",
    ),
    "full": (
        r"pool is full",
        r"limit in txpool is full",
        r"too many transactions in the queue",
        r"account limit exceeded",
        r"spammer",
        r"future transaction tries to replace pending",
        r"in-?flight transaction limit",
        r"gapped-nonce",
        r"already reserved",
        r"pendingtxsofconflictingtype",
        r"pending transaction type conflict",
        r"has ?pending ?t(x|ransaction)",
        r"notcurrentnoncefordelegation",
        r"delegation nonce gap",
    ),
    "underpriced": (
        r"under-?priced",
        r"fee[_ ]?too[_ ]?low",
        r"fee is too low",
        r"gas price.{0,80}too low",
        r"replacementnotallowed",
        r"could not replace existing",
        r"(less than|below|lower than) (the )?(current )?(block )?base ?fee",
        r"below (the )?(configured )?minimum",
    ),
    "invalid": (
        r"intrinsic ?gas",
        r"gas ?limit (is )?too ?high",
        r"gas ?limit ?exceeded",
        r"exceeds (the )?(current |block )*gas limit",
        r"gas limit reached",
        r"beyond limit",
        r"\bgas(is)? too (low|high)",
        r"floor data gas",
        r"gas ?uint(64)? ?overflow",
        r"cost overflow",
        r"int256overflow",
        r"invalid (sender|signature|chain|rlp|transaction (type|v|signature)|message format)",
        r"wrong chain",
        r"chain ?id",
        r"failed ?to ?(resolve|recover) ?sender",
        r"failed to decode",
        r"senderiscontract",
        r"not an eoa",
        r"deployed code",
        r"oversized data",
        r"maxtxsizeexceeded",
        r"transaction too large",
        r"rlp ?too ?long",
        r"transaction is too big",
        r"\brlp:",
        r"negative value",
        r"type (is )?(not supported|not activated)",
        r"type is not activated",
        r"notsupportedtxtype",
        r"unsupported transaction type",
        r"priority fee per gas higher than",
        r"priority fee.{0,20}exceeds.{0,20}max fee",
        r"exceeds the configured cap",
        r"fee ?cap exceeded",
        r"transaction (is )?not permitted",
        r"sender.{0,20}not authorized",
        r"sender disallowed",
        r"(sender|recipient|code) is banned",
        r"address.{0,30}blacklist",
        r"initcode",
        r"only replay-protected",
        r"transaction invalid",
        r"(^|: )invalid(,| \(|$)",
        r"nonce has max value",
    ),
    "busy": (
        r"nonce ?too ?high",
        r"nonce ?gap",
        r"nonce ?too ?(far|distant)",
        r"syncing",
        r"sync is still in progress",
        r"too many requests",
        r"\brate\b",
        r"rate.?limit",
        r"limit exceeded",
        r"exceeded.{0,40}(limit|capacity)",
        r"time(d )?.?out",
        r"deadline exceeded",
        r"temporarily",
        r"try again",
        r"pool is disabled",
        r"internal error",
        r"server error",
        r"unavailable",
    ),
}
"""Patterns of the clients' words in lower case; the first kind with a match counts."""
_SORTED = {kind: re.compile("|".join(words)) for kind, words in _WORDS.items()}
_TAKEN: frozenset[SendKind] = frozenset({"taken", "known"})
_STRONGEST_LAST: tuple[SendKind, ...] = ("full", "funds", "underpriced", "invalid")


class SendOutcome(msgspec.Struct, frozen=True):
    """A node's answer to signed bytes, classified and in its own words."""

    kind: SendKind
    says: str = ""

    @property
    def has_it(self) -> bool:
        """Return whether the node has the bytes."""
        return self.kind in _TAKEN


def outcome_of(says: str, otherwise: SendKind = "unclear") -> SendOutcome:
    """Classify a node's words; `otherwise` where they say nothing about the bytes."""
    text = says.lower()
    found = next((kind for kind, words in _SORTED.items() if words.search(text)), otherwise)
    return SendOutcome(found, says)


def refusal_of(outcome: SendOutcome) -> SendRefusal | None:
    """Return what the journal must keep of an answer; None where the node may have the bytes."""
    match outcome.kind:
        case "underpriced" | "funds" | "full" | "invalid":
            return SendRefusal(kind=outcome.kind, says=outcome.says[:_LONGEST_WORDS])
        case _:
            return None


def joint(outcomes: Iterable[SendOutcome]) -> SendOutcome:
    """Combine the answers of several nodes: one that has the bytes is enough, else the mildest refusal counts.

    A node that could not answer has no say while another has answered.
    """
    given = list(outcomes)
    order: tuple[SendKind, ...] = ("taken", "known", "nonce_too_low", *_STRONGEST_LAST, "unclear", "busy")
    assert set(order) == set(get_args(SendKind))
    return min(given, key=lambda outcome: order.index(outcome.kind))
