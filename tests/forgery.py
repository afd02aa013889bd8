"""Records that no watcher writes, for a shard at any position: none of them may change it."""

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from pipeline.errors import MalformedRecordError, NewerRecordError
from pipeline.follow.due_reads import wanted
from pipeline.messages.base import BlockRef, RawLog
from pipeline.messages.entries import Writer
from pipeline.messages.events import (
    AnyEvent,
    BlockSeen,
    BlocksReverted,
    HeadStalled,
    ObservationFailed,
    WriterStarted,
)
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address, BlockNumber, Hash, LogIndex, RawAmount, Seconds, Term, TokenId, Wei
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved
from pipeline.venues.wallet.forms import BalanceObserved
from streams.kafka.codec import decode_event, encode

Forge = Callable[[random.Random, Tables], AnyEvent]


# ------------------------------------------------------------------ bytes that are not a message
def malformed_records(dice: random.Random, real: Sequence[bytes | None]) -> list[bytes | None]:
    """Make bytes of many kinds, some of them nearly valid records."""
    whole = [payload for payload in real if payload and len(payload) > 2]
    tried = [
        b"",
        None,
        b"\x00\xff\xfe",
        dice.randbytes(dice.randrange(1, 300)),
        dice.randbytes(70_000),
        b"null",
        b"[]",
        b"[" * 5_000,
        b'{"type":"nonsense"}',
        b'{"type":"BlockSeen.1","term":"1"}',
        b'{"type":"SwapSeen","pool":"0x1"}',
        b'{"type":"BlockSeen","term":1.0}',
        b'{"type":"WriterStarted","term":"1e3","instance":"n1"}',
        b'{"type":"PolicyRemoved","book":7}',
        *(_spoilt(dice, dice.choice(whole)) for _ in range(4) if whole),
    ]
    dice.shuffle(tried)
    return [payload for payload in tried if _is_no_message(payload)]


def _spoilt(dice: random.Random, payload: bytes) -> bytes:
    at = dice.randrange(len(payload))
    return dice.choice(
        (
            payload[:at],
            payload[:at] + dice.randbytes(3) + payload[at:],
            payload + payload,
            payload.replace(b'"type":"', b'"type":"x'),
        )
    )


def _is_no_message(payload: bytes | None) -> bool:
    try:
        decode_event(payload or b"", where="here")
    except MalformedRecordError:
        return True
    except NewerRecordError:  # a message of a type that is not known here: it halts, by its own tests
        return False
    return False


# ------------------------------------------------------------------ messages that do not count
def _hash(dice: random.Random) -> str:
    return f"0x{dice.randbytes(32).hex()}"


def _head(tables: Tables) -> BlockRef:
    assert tables.head is not None
    return tables.head


def _term(tables: Tables) -> int:
    return tables.need("writer", Writer).term


def _block(dice: random.Random, tables: Tables, *, number: int, parent: str, term: int) -> BlockSeen:
    """Make a block with every kind of log that the shard follows."""
    policy = next(iter(policies(tables)))
    log = RawLog(
        address=policy.reference_pool,
        topics=(
            "0xc42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67",
            "0x" + "11" * 32,
            "0x" + "22" * 32,
        ),
        data="0x" + dice.randbytes(160).hex(),
        log_index=LogIndex(0),
        transaction_hash=Hash(_hash(dice)),
        transaction_index=0,
    )
    at_s = _head(tables).timestamp_s + 12
    block = BlockRef(
        number=BlockNumber(number),
        hash=Hash(_hash(dice)),
        parent_hash=Hash(parent),
        timestamp_s=Seconds(at_s),
    )
    return BlockSeen(term=Term(term), block=block, base_fee_wei=Wei(7), logs=(log,))


def _elsewhere(dice: random.Random, tables: Tables) -> BlockRef:
    return msgspec.structs.replace(_head(tables), hash=_hash(dice))


def _lower(dice: random.Random, tables: Tables) -> int:
    return _term(tables) - dice.randrange(1, 5)


def _other_term(dice: random.Random, tables: Tables) -> int:
    return dice.choice((_lower(dice, tables), _term(tables) + dice.randrange(1, 5)))


def attaching_of_another_term(dice: random.Random, tables: Tables) -> AnyEvent:
    head = _head(tables)
    return _block(dice, tables, number=head.number + 1, parent=head.hash, term=_other_term(dice, tables))


def revert_of_another_term(dice: random.Random, tables: Tables) -> AnyEvent:
    blocks = tables.sealed_blocks()
    return BlocksReverted(term=Term(_other_term(dice, tables)), to=dice.choice(blocks), reverted=())


def read_of_another_term(dice: random.Random, tables: Tables) -> AnyEvent:
    policy = next(iter(policies(tables)))
    return OwnerObserved(
        term=Term(_other_term(dice, tables)),
        block=_head(tables),
        why=dice.choice(("bootstrap", "repair")),
        owner=policy.owner,
        manager=policy.chain.position_manager,
        token_ids=(TokenId(1), TokenId(2), TokenId(3)),
    )


def stall_of_another_term(dice: random.Random, tables: Tables) -> AnyEvent:
    return HeadStalled(
        term=Term(_other_term(dice, tables)), block=_head(tables), age_s=Seconds(99), cause="a test"
    )


def former_watcher(dice: random.Random, tables: Tables) -> AnyEvent:
    return WriterStarted(term=Term(_term(tables) - dice.randrange(0, 3)), instance="nobody")


def out_of_order(dice: random.Random, tables: Tables) -> AnyEvent:
    number = _head(tables).number + dice.randrange(2, 9)
    return _block(dice, tables, number=number, parent=_hash(dice), term=_term(tables))


def skipping(dice: random.Random, tables: Tables) -> AnyEvent:
    """Make a block whose parent is the head, at a height that does not follow it."""
    head = _head(tables)
    number = head.number + dice.choice((-3, -1, 0, 2, 3))
    return _block(dice, tables, number=number, parent=head.hash, term=_term(tables))


def foreign(dice: random.Random, tables: Tables) -> AnyEvent:
    number = _head(tables).number + dice.choice((-2, -1, 0, 1))
    return _block(dice, tables, number=number, parent=_hash(dice), term=_term(tables))


def again(dice: random.Random, tables: Tables) -> AnyEvent:
    """Repeat a sealed block with other contents."""
    sealed = dice.choice(tables.sealed_blocks())
    block = _block(dice, tables, number=sealed.number, parent=sealed.parent_hash, term=_term(tables))
    return msgspec.structs.replace(block, block=sealed)


def revert_to_the_unknown(dice: random.Random, tables: Tables) -> AnyEvent:
    """Revert to a block that never existed. It is not near the oldest one, because the shard moves on and a deeper revert halts it."""
    known = tables.sealed_blocks()
    sealed = dice.choice(known[: len(known) // 2 + 1])
    to = msgspec.structs.replace(sealed, hash=_hash(dice))
    return BlocksReverted(term=Term(_term(tables)), to=to, reverted=(sealed.hash,))


def revert_to_above(dice: random.Random, tables: Tables) -> AnyEvent:
    head = _head(tables)
    to = BlockRef(
        number=BlockNumber(head.number + dice.randrange(1, 99)),
        hash=Hash(_hash(dice)),
        parent_hash=Hash(_hash(dice)),
        timestamp_s=head.timestamp_s,
    )
    return BlocksReverted(term=Term(_term(tables)), to=to, reverted=())


def revert_to_the_head(dice: random.Random, tables: Tables) -> AnyEvent:
    return BlocksReverted(term=Term(_term(tables)), to=_head(tables), reverted=(Hash(_hash(dice)),))


def read_elsewhere(dice: random.Random, tables: Tables) -> AnyEvent:
    """Read an item at a block other than the head: a wanted balance, where there is one."""
    policy = next(iter(policies(tables)))
    items = [want.item.split("/") for want in wanted(tables)]
    asked = [(parts[1], parts[2]) for parts in items if parts[0] == "balance"]
    account, token = dice.choice(asked or [(policy.owner, policy.base)])
    return BalanceObserved(
        term=Term(_term(tables)),
        block=_elsewhere(dice, tables),
        why=dice.choice(("bootstrap", "repair")),
        account=Address(account),
        token=Address(token),
        amount=RawAmount(dice.randrange(10**24)),
    )


def unwanted_read(dice: random.Random, tables: Tables) -> AnyEvent:
    """Read an item that is not wanted at the head: a balance of a million."""
    policy = next(iter(policies(tables)))
    items = {want.item for want in wanted(tables)}
    tokens = [t.address for t in policy.tokens if f"balance/{policy.owner}/{t.address}" not in items]
    token = dice.choice(tokens) if tokens else "0x" + "77" * 20
    return BalanceObserved(
        term=Term(_term(tables)),
        block=_head(tables),
        why="bootstrap",
        account=policy.owner,
        token=Address(token),
        amount=RawAmount(10**24),
    )


def failure_elsewhere(dice: random.Random, tables: Tables) -> AnyEvent:
    block = _elsewhere(dice, tables)
    return ObservationFailed(term=Term(_term(tables)), block=block, item="pool/0x1", reason="so they say")


IGNORED: Mapping[str, Forge] = {
    "a block of another term": attaching_of_another_term,
    "a revert of another term": revert_of_another_term,
    "a read of another term": read_of_another_term,
    "a stall of another term": stall_of_another_term,
    "a watcher of a former term": former_watcher,
    "a block again": again,
    "a revert to above the head": revert_to_above,
    "a revert to the head": revert_to_the_head,
    "a read at another block": read_elsewhere,
    "a read that nobody wants": unwanted_read,
    "a failure at another block": failure_elsewhere,
}
"""These leave no trace."""

SET_ASIDE: Mapping[str, Forge] = {
    "a block out of order": out_of_order,
    "a block that skips heights": skipping,
    "a block of a foreign branch": foreign,
    "a revert to an unknown block": revert_to_the_unknown,
}
"""These stop decisions until a block attaches."""


KINDS: Mapping[str, Forge] = {**IGNORED, **SET_ASIDE}


def forged_records(dice: random.Random, tables: Tables) -> list[bytes]:
    """Make one forged record of each kind, in any order, for a shard's present state."""
    forges = [*IGNORED.values(), *SET_ASIDE.values()]
    dice.shuffle(forges)
    return [encode(forge(dice, tables)) for forge in forges]
