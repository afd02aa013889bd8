"""A signer's journal on `nonces.v1`, compacted by key. An entry is written before its transaction is sent.

Keys: `opened/S`, `seal/S`, `signer/S`, `cursor/S/shard`, `nonce/S/n` and `intent/S/digest` of signer S.
Every value is a `JournalRecord`, which carries an entry and the signer's proof that it wrote it.
"""

from typing import Literal

import msgspec

from pipeline import keys
from pipeline.messages.base import Message
from pipeline.messages.events import (
    CancellationSigned,
    Dropped,
    IntentRefused,
    Sent,
    Signed,
    Simulated,
    dropped_2,
)
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.versions import Fields, upgrades
from pipeline.units import NATIVE, Address, BlockNumber, Hash, Offset, RawAmount, Seconds, ShardId, Wei

RefusalKind = Literal["underpriced", "funds", "full", "invalid"]
AnyReport = Simulated | Signed | Sent | CancellationSigned | IntentRefused | Dropped


class JournalEntry(Message, frozen=True, kw_only=True):
    """Something that a signer must not forget."""

    signer: Address


class JournalRecord(Message, frozen=True, kw_only=True, tag=True):
    """An entry on its topic: only who has the signer's secret can write one that the signer accepts."""

    sequence: int
    """Number of the commit that wrote it."""
    mac: str
    """HMAC-SHA256 in hex, over the record's key, its sequence and the bytes of its body."""
    body: msgspec.Raw
    """The entry, byte for byte as it was signed."""


class JournalSeal(JournalEntry, frozen=True, kw_only=True, tag=True):
    """Written with every commit: what the journal holds after it, so that nothing can be taken away or put back."""

    sequence: int
    """Number of the commit, counted up by one."""
    digest: str
    """SHA-256 in hex over every live key with its MAC, in the order of the keys."""
    forgotten: tuple[str, ...] = ()
    """The keys that this commit deleted."""


class JournalOpened(JournalEntry, frozen=True, kw_only=True, tag=True):
    """A process took the signer over; it has read the journal when it reads this back."""

    instance: str


# ------------------------------------------------------------------ nonces
class SendRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A node's no to an attempt's bytes. Only `underpriced` is a reason to offer more."""

    kind: RefusalKind
    says: str
    """The node's own words, shortened."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a nonce's transaction, signed. Whichever a node mines uses the nonce up."""

    transaction_hash: Hash
    raw: str
    """0x-hex of the signed bytes: sent as they are, however often."""
    max_fee_wei: Wei
    tip_wei: Wei
    gas_limit: int
    cancels: bool = False
    """It moves nothing: it only takes the nonce from the others."""
    sent_at_block: BlockNumber | None = None
    """The head when a node took it; after a refusal, when one took it again."""
    refusal: SendRefusal | None = None
    """Why no node has it, as far as nodes say."""
    is_private: bool = False
    """It goes to a private relay, and to no public node before `public_from_block`."""
    public_from_block: BlockNumber | None = None
    """The head from which on private bytes are sent publicly after all; None: never."""


class Inclusion(msgspec.Struct, frozen=True, kw_only=True):
    """In which block of the present branch one of the attempts is."""

    transaction_hash: Hash
    block_number: BlockNumber
    block_hash: Hash
    succeeded: bool
    paid_wei: Wei
    """For gas."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction counts for in its signer's budget: its worst case, valued when it was signed.

    Units: raw `token`, the budget's. Rounds: up.
    """

    token: Address
    loss: RawAmount = RawAmount(0)
    """What leaves the owner less the least that must come."""
    notional: RawAmount = RawAmount(0)
    """What moves: the larger of what leaves and what comes."""
    actions: int = 0
    """1 where it trades or moves liquidity; 0 for an allowance, a wrapping, a collection."""
    data_fee_wei: Wei = Wei(0)
    """For posting its data on another chain, beside its gas."""


NO_CHARGE = Charge(token=NATIVE)
"""Of what is carried out where nothing can be lost."""


class NonceBound(JournalEntry, frozen=True, kw_only=True, tag=True):
    """A nonce and what was signed for it, oldest first."""

    nonce: int
    intent: SubmitTransaction
    signed_at_s: Seconds
    """Time of the head's block: from here on it counts in the budget's windows."""
    charge: Charge
    attempts: tuple[Attempt, ...]
    inclusion: Inclusion | None = None


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the transactions that were signed on one head came to."""

    signed_at_s: Seconds
    token: Address
    loss: RawAmount
    notional: RawAmount
    actions: int
    transactions: int
    gas_wei: Wei
    """What they paid, or may still pay at most."""


class SignerStanding(JournalEntry, frozen=True, kw_only=True, tag=True):
    """Where the kept nonces begin: all below are used and final."""

    floor_nonce: int
    floor_block: BlockNumber | None = None
    """On this block all of them were used: a node whose head is lower is behind. None where it is not known."""
    spent: tuple[Spent, ...] = ()
    """By nonces below the floor, while a budget's window reaches back to them; oldest first."""


# ------------------------------------------------------------------ intents
class IntentKnown(JournalEntry, frozen=True, kw_only=True, tag="IntentKnown.2"):
    """What became of an intent, and which reports of it may not be in its shard's log yet."""

    intent: str
    """Digest."""
    shard: ShardId
    position: str
    outcome: Literal["open", "refused", "dropped", "final"]
    """`open`: it has a nonce; `final`: its transaction is too deep to go away."""
    nonce: int | None = None
    keep_until_block: BlockNumber
    """Above it the intent would be refused as expired: it may be forgotten."""
    unsaid: tuple[AnyReport, ...] = ()


@upgrades("IntentKnown", 1)
def _intent_known_2(fields: Fields) -> Fields:
    """Bring the one kind of report that has changed to its second form."""
    unsaid = [
        {**dropped_2(each), "type": "Dropped.2"} if each["type"] == "Dropped" else each
        for each in fields.get("unsaid", ())
    ]
    return {**fields, "unsaid": unsaid}


class IntentsRead(JournalEntry, frozen=True, kw_only=True, tag=True):
    """How far the signer has dealt with a partition of `intents.v1`."""

    shard: ShardId
    next_offset: Offset
    last: str = ""
    """SHA-256 in hex of the record before `next_offset`; empty where nothing was read yet."""
    skipped_before: Offset = Offset(0)
    """What lies below it was passed over without being judged."""


AnyJournal = JournalOpened | JournalSeal | NonceBound | SignerStanding | IntentKnown | IntentsRead


def journal_key(entry: AnyJournal) -> str:
    """Name what an entry replaces."""
    match entry:
        case JournalOpened():
            return keys.journal_opened(entry.signer)
        case JournalSeal():
            return keys.journal_seal(entry.signer)
        case SignerStanding():
            return keys.journal_standing(entry.signer)
        case NonceBound():
            return keys.journal_nonce(entry.signer, entry.nonce)
        case IntentKnown():
            return keys.journal_intent(entry.signer, entry.intent)
        case IntentsRead():
            return keys.journal_cursor(entry.signer, entry.shard)
