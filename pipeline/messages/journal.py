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
    """The base of all journal entries of a signer."""

    signer: Address


class JournalRecord(Message, frozen=True, kw_only=True, tag=True):
    """A journal entry as it is on the topic, with a MAC that only the holder of the signer's secret can make."""

    sequence: int
    """The number of the commit that wrote it."""
    mac: str
    """The HMAC-SHA256 over the record's key, its sequence and the bytes of its body, in hex."""
    body: msgspec.Raw
    """The entry's bytes, exactly as the MAC covers them."""


class JournalSeal(JournalEntry, frozen=True, kw_only=True, tag=True):
    """The digest of the whole journal after a commit, so that a removed or restored record is detected. Written with every commit."""

    sequence: int
    """The number of the commit; each commit has the next one."""
    digest: str
    """The SHA-256 over every live key with its MAC, in the order of the keys, in hex."""
    forgotten: tuple[str, ...] = ()
    """The keys that this commit deleted."""


class JournalOpened(JournalEntry, frozen=True, kw_only=True, tag=True):
    """A process has taken over the signer. It has read the whole journal once it reads this record back."""

    instance: str


# ------------------------------------------------------------------ nonces
class SendRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A node's refusal of an attempt's bytes. Only `underpriced` is a reason to offer a higher fee."""

    kind: RefusalKind
    says: str
    """The node's message, shortened."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One signed transaction for a nonce. Of all attempts for the nonce at most one is mined."""

    transaction_hash: Hash
    raw: str
    """The signed bytes in 0x-hex, which are sent unchanged each time."""
    max_fee_wei: Wei
    tip_wei: Wei
    gas_limit: int
    cancels: bool = False
    """It is a cancellation: it moves nothing and uses up the nonce."""
    sent_at_block: BlockNumber | None = None
    """The head when a node accepted it, or, after a refusal, accepted it again."""
    refusal: SendRefusal | None = None
    """Why the nodes refused it, where they gave a reason."""
    is_private: bool = False
    """It is sent to a private relay, and to no public node before `public_from_block`."""
    public_from_block: BlockNumber | None = None
    """The head from which on a private attempt is sent publicly too; None: never."""


class Inclusion(msgspec.Struct, frozen=True, kw_only=True):
    """The block of the present branch that includes one of a nonce's attempts."""

    transaction_hash: Hash
    block_number: BlockNumber
    block_hash: Hash
    succeeded: bool
    paid_wei: Wei
    """What the transaction paid for gas."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """The charge of a transaction to its signer's budget: its worst case, valued when it was signed.

    Units: raw `token`, the budget's. Rounds: up.
    """

    token: Address
    loss: RawAmount = RawAmount(0)
    """What leaves the owner less the least that must come back."""
    notional: RawAmount = RawAmount(0)
    """The larger of what leaves the owner and what comes back."""
    actions: int = 0
    """1 where it trades or moves liquidity; 0 for an allowance, a wrapping, a collection."""
    data_fee_wei: Wei = Wei(0)
    """The fee for posting its data on another chain, beside its gas."""


NO_CHARGE = Charge(token=NATIVE)
"""The charge of a transaction on a fork, where nothing can be lost."""


class NonceBound(JournalEntry, frozen=True, kw_only=True, tag=True):
    """A nonce, its intent, and the attempts signed for it, oldest first."""

    nonce: int
    intent: SubmitTransaction
    signed_at_s: Seconds
    """The timestamp of the head on which it was signed; the budget's windows count it from then on."""
    charge: Charge
    attempts: tuple[Attempt, ...]
    inclusion: Inclusion | None = None


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """The sum of the charges of all transactions that were signed on one head."""

    signed_at_s: Seconds
    token: Address
    loss: RawAmount
    notional: RawAmount
    actions: int
    transactions: int
    gas_wei: Wei
    """What they paid for gas, or the most that they may still pay."""


class SignerStanding(JournalEntry, frozen=True, kw_only=True, tag=True):
    """The lowest nonce that the journal keeps: all below it are used and final."""

    floor_nonce: int
    floor_block: BlockNumber | None = None
    """A block at which all lower nonces were used: a node with a lower head is behind. None where it is not known."""
    spent: tuple[Spent, ...] = ()
    """The sums for nonces below the floor that a budget's window still includes; oldest first."""


# ------------------------------------------------------------------ intents
class IntentKnown(JournalEntry, frozen=True, kw_only=True, tag="IntentKnown.2"):
    """The outcome of an intent, and its reports that may not be in the shard's log yet."""

    intent: str
    """The intent's digest."""
    shard: ShardId
    position: str
    outcome: Literal["open", "refused", "dropped", "final"]
    """`open`: it has a nonce; `final`: its transaction is too deep to go away."""
    nonce: int | None = None
    keep_until_block: BlockNumber
    """The block above which this entry may be deleted, because the intent would be refused as expired."""
    unsaid: tuple[AnyReport, ...] = ()


@upgrades("IntentKnown", 1)
def _intent_known_2(fields: Fields) -> Fields:
    """Upgrade the unwritten reports of the type `Dropped`, the only type that changed."""
    unsaid = [
        {**dropped_2(each), "type": "Dropped.2"} if each["type"] == "Dropped" else each
        for each in fields.get("unsaid", ())
    ]
    return {**fields, "unsaid": unsaid}


class IntentsRead(JournalEntry, frozen=True, kw_only=True, tag=True):
    """The signer's cursor in a partition of `intents.v1`."""

    shard: ShardId
    next_offset: Offset
    last: str = ""
    """The SHA-256 of the record before `next_offset`, in hex; empty where nothing was read yet."""
    skipped_before: Offset = Offset(0)
    """The intents below this offset were skipped without being evaluated."""


AnyJournal = JournalOpened | JournalSeal | NonceBound | SignerStanding | IntentKnown | IntentsRead


def journal_key(entry: AnyJournal) -> str:
    """Return the key of a journal entry; a later entry replaces an earlier one with the same key."""
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
