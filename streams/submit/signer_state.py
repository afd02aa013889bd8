"""A signer's state in memory, as its journal holds it, and the entries that lead from one state to the next."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from pipeline import keys
from pipeline.messages.journal import (
    AnyJournal,
    IntentKnown,
    IntentsRead,
    JournalOpened,
    JournalSeal,
    NonceBound,
    SignerStanding,
    journal_key,
)
from pipeline.sign.nonces import Account, account_of
from pipeline.units import BlockNumber, ShardId

_FORGOTTEN_AT_ONCE = 1_000
"""A commit's seal names them all."""


@dataclass
class SignerState:
    """One signer's state by its journal. Only what is committed changes it."""

    account: Account | None = None
    """None until the chain was asked for the first time."""
    intents: dict[str, IntentKnown] = field(default_factory=dict)
    """By digest."""
    cursors: dict[ShardId, IntentsRead] = field(default_factory=dict)

    def nonce_of(self, digest: str) -> NonceBound | None:
        """Return the nonce of an intent, while it is not final."""
        return None if self.account is None else self.account.of_intent(digest)

    def forgettable(self, head: BlockNumber) -> list[IntentKnown]:
        """List a limited number of intents that would be refused as expired anyway, and whose reports were all sent."""
        old = (
            known
            for known in self.intents.values()
            if known.outcome != "open" and not known.unsaid and known.keep_until_block < head
        )
        return list(islice(old, _FORGOTTEN_AT_ONCE))


def load_signer_state(entries: Iterable[AnyJournal]) -> SignerState:
    """Build the state from a journal's entries. Raises: JournalError where they do not fit together."""
    memory = SignerState()
    standing: SignerStanding | None = None
    nonces: list[NonceBound] = []
    for entry in entries:
        match entry:
            case SignerStanding():
                standing = entry
            case NonceBound():
                nonces.append(entry)
            case IntentKnown():
                memory.intents[entry.intent] = entry
            case IntentsRead():
                memory.cursors[entry.shard] = entry
            case JournalOpened() | JournalSeal():
                pass
    if standing is not None:
        memory.account = account_of(standing, nonces)
    return memory


def account_changes(before: Account | None, after: Account) -> dict[str, AnyJournal | None]:
    """List the entries of an account that differ; None for a nonce that is final."""
    old = {} if before is None else {bound.nonce: bound for bound in before.nonces}
    new = {bound.nonce: bound for bound in after.nonces}
    signer = after.standing.signer
    changes: dict[str, AnyJournal | None] = {
        keys.journal_nonce(signer, nonce): new.get(nonce)
        for nonce in sorted(old | new)
        if old.get(nonce) != new.get(nonce)
    }
    if before is None or before.standing != after.standing:
        changes[journal_key(after.standing)] = after.standing
    return changes
