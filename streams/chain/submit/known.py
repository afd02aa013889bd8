"""What became of intents, from a signer's journal; and the end of one that no signer answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pipeline.errors import MalformedRecordError, SettingsError
from pipeline.messages.journal import AnyJournal, IntentKnown, IntentsRead, NonceBound, intent_key
from pipeline.messages.transactions import SubmitTransaction
from pipeline.nonces import status
from pipeline.units import ChainId, ShardId
from streams.chain.submit.node import Look
from streams.codec import decode_intent, decode_journal
from streams.readers import Reader, Record
from streams.topics import INTENTS, NONCES

_MARGIN_BLOCKS = 12
"""A reorg may bring back a head on which an intent has not expired."""


OPEN = frozenset({"waiting", "signed", "sent"})
"""How an intent stands of which something may still come that is not yet on the chain."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An intent as it stands on its topic, and what its signer's journal says of it."""

    intent: SubmitTransaction
    shard: ShardId
    offset: int
    entry: IntentKnown | None
    bound: NonceBound | None
    read: bool
    """The signer has passed it: it will not sign it any more, if it has not."""

    @property
    def stands(self) -> str:
        """Say in one word how far it is."""
        if self.bound is not None and self.entry is not None and self.entry.outcome == "open":
            return status(self.bound)
        if self.entry is not None:
            return self.entry.outcome
        return "settled" if self.read else "waiting"


async def known_intents(reader: Reader, chain_id: ChainId, *, signer: str | None = None) -> list[Known]:
    """Read every intent, and what the journals say. Raises: InfrastructureError."""
    journal = await read_journal(reader, chain_id)
    found = []
    async for record in reader.read(dict.fromkeys(await reader.shards(INTENTS.on(chain_id)), 0)):
        intent = _intent_in(record)
        if intent is not None and signer in {None, intent.signer}:
            found.append(_known(intent, record, journal))
    return found


async def read_journal(reader: Reader, chain_id: ChainId) -> dict[str, AnyJournal]:
    """Read the present entries of every signer's journal, by key."""
    newest = await reader.newest(NONCES.on(chain_id))
    return {key: decode_journal(record.value or b"", where=record.where) for key, record in newest.items()}


def _intent_in(record: Record) -> SubmitTransaction | None:
    try:
        found = decode_intent(record.value or b"", where=record.where)
    except MalformedRecordError:  # a dead letter by now
        return None
    return found if isinstance(found, SubmitTransaction) else None


def _known(intent: SubmitTransaction, record: Record, journal: Mapping[str, AnyJournal]) -> Known:
    entry: Any = journal.get(intent_key(intent.signer, intent.digest))
    bound = next(
        (
            each
            for each in journal.values()
            if isinstance(each, NonceBound)
            and (each.signer, each.intent.digest) == (intent.signer, intent.digest)
        ),
        None,
    )
    cursor = journal.get(f"cursor/{intent.signer}/{record.shard}")
    return Known(
        intent=intent,
        shard=ShardId(record.shard),
        offset=record.offset,
        entry=entry,
        bound=bound,
        read=isinstance(cursor, IntentsRead) and record.offset < cursor.next_offset,
    )


def find(known: Sequence[Known], name: str) -> Known:
    """Find an intent by id or digest. Raises: SettingsError."""
    found = [each for each in known if name in {each.intent.id, each.intent.digest}]
    if not found:
        raise SettingsError(f"there is no intent {name}")
    return found[-1]


def why_not_closable(known: Known, look: Look) -> str | None:
    """Say why an intent may still come to something; None: nothing will come of it, and closing it is right."""
    intent, entry, bound = known.intent, known.entry, known.bound
    if entry is not None and entry.outcome in {"refused", "dropped"}:
        return None
    if bound is not None and look.inclusions:
        return "a transaction of its nonce is in a block: its signer ends it"
    if bound is not None and look.nonce <= bound.nonce:
        return f"it is signed for nonce {bound.nonce}, which nothing has used: it may still be mined"
    if bound is None and (known.read or entry is not None):
        return "its signer has ended it"
    last = intent.made_at.number + intent.max_age_blocks
    if bound is None and look.head.number <= last + _MARGIN_BLOCKS:
        return f"its signer has not seen it yet and may sign it up to block {last}, after a reorg too"
    return None
