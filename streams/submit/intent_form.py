"""Check that a record of `intents.v1` has the form that a shard writes; anybody may have put it there."""

import re

from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import NATIVE, ShardId
from streams.submit.verdict import Refusal

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_HASH = re.compile(r"0x[0-9a-f]{64}")
_DIGEST = re.compile(r"[0-9a-f]{16}")
_ID = re.compile(r"[a-z]{1,8}\.(\d{1,6})\.(\d{1,19})\.[0-9a-f]{16}")
_DATA = re.compile(r"0x(?:[0-9a-f]{2})*")
_LONGEST_DATA = 2 + 2 * 32_768
_LONGEST_NAME = 200
_MOST_MINIMUMS = 16
_MAX_UINT64 = 2**64 - 1
_MAX_UINT256 = 2**256 - 1


def check_form(intent: SubmitTransaction, shard: ShardId) -> None:
    """Check each field on its own. Raises: Refusal naming the field."""
    found = _ID.fullmatch(intent.id)
    if found is None or (int(found[1]), int(found[2])) != (shard, intent.because_of.offset):
        raise _malformed("id", f"{intent.id[:_LONGEST_NAME]!r} is of no cause on shard {shard}")
    if intent.because_of.shard != shard:
        raise _malformed("because_of", f"shard {intent.because_of.shard} on shard {shard}")
    _check_names(intent)
    _check_numbers(intent)
    if len(intent.call.data) > _LONGEST_DATA or not _DATA.fullmatch(intent.call.data):
        raise _malformed("call.data", "no lower-case hex of bytes, or too many of them")


def digest_of(intent_id: str) -> str | None:
    """Return an intent's digest, the last part of its id; None where the id has another form."""
    digest = intent_id.rpartition(".")[2]
    return digest if _DIGEST.fullmatch(digest) else None


def _check_names(intent: SubmitTransaction) -> None:
    tokens = [("minimums", minimum.token) for minimum in intent.minimums if minimum.token != NATIVE]
    for field, address in (
        ("owner", intent.owner),
        ("signer", intent.signer),
        ("call.to", intent.call.to),
        *tokens,
    ):
        if not _ADDRESS.fullmatch(address):
            raise _malformed(field, f"{address[:_LONGEST_NAME]!r} is not a lower-case address")
    if not _HASH.fullmatch(intent.made_at.hash):
        raise _malformed("made_at.hash", f"{intent.made_at.hash[:_LONGEST_NAME]!r} is not a hash")
    if intent.after is not None and not _DIGEST.fullmatch(intent.after):
        raise _malformed("after", f"{intent.after[:_LONGEST_NAME]!r} is not a digest")
    if intent.after == intent.digest:
        raise _malformed("after", "it follows itself")
    if len(intent.minimums) > _MOST_MINIMUMS:
        raise _malformed("minimums", f"{len(intent.minimums)} of them")
    for field, name in {"position": intent.position, "book": intent.book, "plan": intent.plan}.items():
        if not 0 < len(name) <= _LONGEST_NAME:
            raise _malformed(field, f"{len(name)} characters")


def _check_numbers(intent: SubmitTransaction) -> None:
    numbers = {
        "made_at.number": (intent.made_at.number, _MAX_UINT64),
        "deadline_s": (intent.deadline_s, _MAX_UINT256),
        "max_age_blocks": (intent.max_age_blocks, _MAX_UINT64),
        "max_fee_per_gas_wei": (intent.max_fee_per_gas_wei, _MAX_UINT256),
        "call.value_wei": (intent.call.value_wei, _MAX_UINT256),
        "call.gas_limit": (intent.call.gas_limit, _MAX_UINT64),
    }
    for field, (number, most) in numbers.items():
        if not 0 <= number <= most:
            raise _malformed(field, f"{number} is outside 0 to {most}")


def _malformed(field: str, says: str) -> Refusal:
    return Refusal("malformed", f"{field}: {says}")
