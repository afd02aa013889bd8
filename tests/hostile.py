"""Events that no honest process writes, made for a shard's present state, so that they are nearly valid."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
from any_message import EDGES, structs
from builders import BASE, MANAGER, OWNER, POOL, QUOTE, ROUTER, STRANGER, policy, topic, versioned, word
from forms import EVENTS
from hypothesis import strategies as st

from pipeline.messages.base import BlockRef, RawLog, Receipt
from pipeline.messages.entries import Writer
from pipeline.messages.events import (
    AnyEvent,
    BlockSeen,
    BlocksReverted,
    DryRunEnded,
    ObservationFailed,
    Paused,
    PolicyRemoved,
    PolicySet,
    Resumed,
    Signed,
)
from pipeline.messages.policy import Policy
from pipeline.state.tables import Tables
from pipeline.units import Address, BlockNumber, BookId, Hash, LogIndex, Seconds, Term
from pipeline.venues.uniswap_v3 import MANAGER_TOPICS
from pipeline.venues.uniswap_v3 import topics as v3
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, Pool
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PoolObserved, PositionObserved
from pipeline.venues.wallet.forms import BalanceObserved
from pipeline.venues.wallet.token_logs import DEPOSIT_TOPIC, TRANSFER_TOPIC, WITHDRAWAL_TOPIC

POOL_TOPICS = sorted(value for name, value in vars(v3).items() if name.endswith("_TOPIC"))
TOPICS = [*POOL_TOPICS, *sorted(MANAGER_TOPICS), TRANSFER_TOPIC, DEPOSIT_TOPIC, WITHDRAWAL_TOPIC]
NAMES = ["", "alpha", "book/alpha", "all", "shard", f"pool/{POOL}", "x/y/z", "\x00", OWNER, POOL, "é" * 60]
numbers = st.one_of(st.sampled_from(EDGES), st.integers(-(2**255), 2**256 - 1), st.integers(-60, 60))
names = st.one_of(st.sampled_from(NAMES), st.text(max_size=12))


def event_kinds() -> list[type]:
    return list(EVENTS)


def any_events() -> st.SearchStrategy:
    """A strategy for any value of any event."""
    return st.one_of([structs(kind) for kind in event_kinds()])


@st.composite
def logs(draw: st.DrawFn, place: int) -> RawLog:
    """A strategy for a log of a followed contract, with a known topic and any data."""
    words = draw(st.lists(numbers, max_size=8))
    first = draw(st.one_of(st.sampled_from(TOPICS), st.just("0x"), st.text(max_size=4)))
    indexed = [
        topic(draw(st.one_of(numbers, st.sampled_from([OWNER, STRANGER, POOL, MANAGER]))))
        for _ in range(draw(st.integers(0, 3)))
    ]
    data = "0x" + "".join(word(each) for each in words)
    data = draw(st.one_of(st.just(data), st.just(data[:-3]), st.text(max_size=5)))
    return RawLog(
        address=Address(draw(st.sampled_from([POOL, MANAGER, BASE, QUOTE]))),
        topics=draw(st.one_of(st.just((first, *indexed)), st.just(()))),
        data=data,
        log_index=LogIndex(place),
        transaction_hash=Hash(topic(place)),
        transaction_index=place,
    )


class Hostile:
    """Draws one event at a time, for the shard's present state."""

    def __init__(self, draw: st.DrawFn | Callable[..., Any], tables: Tables) -> None:
        self.draw = draw
        self.tables = tables

    def event(self) -> AnyEvent:
        make = self.draw(
            st.sampled_from(
                [
                    self.block,
                    self.block,
                    self.block,
                    self.read,
                    self.read,
                    self.read,
                    self.wanted_read,
                    self.wanted_read,
                    self.policy,
                    self.word,
                    self.revert,
                    self.about_a_plan,
                    self.anything,
                ]
            )
        )
        return make()

    # -------------------------------------------------------------- what is true enough to be let in
    @property
    def term(self) -> int:
        writer = self.tables.find("writer", Writer)
        return 0 if writer is None else writer.term

    def head(self) -> BlockRef:
        return self.tables.head or BlockRef(
            number=BlockNumber(1), hash=Hash("0x1"), parent_hash=Hash("0x0"), timestamp_s=Seconds(1)
        )

    def policies(self) -> list[Policy]:
        return [each for _, each in self.tables.group("policy", Policy)]

    # -------------------------------------------------------------- kinds
    def block(self) -> AnyEvent:
        """Draw a block that attaches to the head, at any time, with any logs, reads and receipts."""
        head, draw = self.head(), self.draw
        number = head.number + 1
        at_s = draw(st.one_of(st.just(head.timestamp_s + 12), numbers))
        hash_ = "0x" + random.Random(draw(st.integers(0, 2**32))).randbytes(32).hex()
        block = BlockRef(
            number=BlockNumber(number), hash=Hash(hash_), parent_hash=head.hash, timestamp_s=Seconds(at_s)
        )
        plain = msgspec.structs.replace(draw(structs(BlockSeen)), logs=())
        receipts = tuple(
            msgspec.structs.replace(each, sender=OWNER, transaction_hash=topic(place))
            for place, each in enumerate(draw(st.lists(structs(Receipt), max_size=2)))
        )
        found = tuple(draw(logs(place)) for place in range(draw(st.integers(0, 4))))
        return msgspec.structs.replace(plain, term=self.term, block=block, logs=found, receipts=receipts)

    def read(self) -> AnyEvent:
        """Draw a read of an item that the books name, with any value or in any possible state of a contract."""
        kinds: list[type[msgspec.Struct]] = [
            PoolObserved,
            OwnerObserved,
            PositionObserved,
            BalanceObserved,
            ObservationFailed,
        ]
        kind = self.draw(st.sampled_from(kinds))
        draw, fields = self.draw, {"term": self.term, "block": self.head()}
        if kind is not ObservationFailed:
            fields["why"] = draw(st.sampled_from(["bootstrap", "repair", "check", "check", "check"]))
        match kind.__name__:
            case "PoolObserved":
                fields["pool"] = POOL
                fields["state"] = self.pool_state()
            case "OwnerObserved":
                fields |= {"owner": OWNER, "manager": MANAGER}
            case "PositionObserved":
                known = [
                    int(k.rpartition("/")[2])
                    for k, _ in self.tables.group(f"position/{MANAGER}", NftPosition)
                ]
                fields |= {"manager": MANAGER, "token_id": draw(st.sampled_from([*known, 1]))}
                position = draw(structs(NftPosition))
                fields["position"] = msgspec.structs.replace(position, owner=OWNER, pool=POOL)
            case "BalanceObserved":
                fields |= {"account": OWNER, "token": draw(st.sampled_from([BASE, QUOTE]))}
            case _:
                fields["item"] = draw(names)
        return msgspec.structs.replace(draw(structs(kind)), **fields)

    def wanted_read(self) -> AnyEvent:
        """Make an item wanted by an operator's command, so that its next read is written."""
        known = [k for k in self.tables.entries() if k.startswith(f"position/{MANAGER}/")]
        items = [f"pool/{POOL}", f"balance/{OWNER}/{BASE}", *known]
        return Resumed(scope=self.draw(st.sampled_from(items)), reason="look again", by="eve")

    def pool_state(self) -> Pool:
        """Draw any state of a pool, or the true one with some fields changed, a price of 0 included."""
        known = self.tables.find(f"pool/{POOL}", Pool)
        if known is None or self.draw(st.booleans()):
            return msgspec.structs.replace(self.draw(structs(Pool)), token0=BASE, token1=QUOTE)
        spoilt = self.draw(
            st.dictionaries(
                st.sampled_from([f for f in known.__struct_fields__ if not f.startswith("token")]),
                numbers,
                max_size=3,
            )
        )
        zero = {"sqrt_price_x96": 0} if self.draw(st.booleans()) else {}
        return msgspec.structs.replace(known, **{**spoilt, **zero})

    def policy(self) -> AnyEvent:
        """Set the book's policy with any limits, band and addresses, or remove it."""
        draw = self.draw
        if draw(st.integers(0, 5)) == 0:
            return PolicyRemoved(book=BookId(draw(st.sampled_from(["alpha", "beta", ""]))))
        made = draw(structs(Policy))
        kept = policy(mode=draw(st.sampled_from(["watch", "dry-run", "live"])))
        odd = draw(
            st.sets(
                st.sampled_from(
                    ["strategy", "limits", "action", "tokens", "chain", "base", "quote_equivalents"]
                )
            )
        )
        fields = {name: getattr(made, name) for name in odd}
        return PolicySet(policy=versioned(msgspec.structs.replace(kept, **fields)))

    def word(self) -> AnyEvent:
        kind = self.draw(st.sampled_from([Paused, Resumed]))
        return kind(scope=self.draw(names), reason=self.draw(names), by="eve")

    def revert(self) -> AnyEvent:
        blocks = self.tables.sealed_blocks() or [self.head()]
        return BlocksReverted(term=Term(self.term), to=self.draw(st.sampled_from(blocks)), reverted=())

    def about_a_plan(self) -> AnyEvent:
        digests = [key.partition("/")[2] for key in self.tables.entries() if key.startswith("intent/")]
        if len(digests) > 0 and self.draw(st.booleans()):
            return msgspec.structs.replace(
                self.draw(structs(Signed)), intent=self.draw(st.sampled_from(digests))
            )
        return msgspec.structs.replace(self.draw(structs(DryRunEnded)), book="alpha")

    def anything(self) -> AnyEvent:
        made = self.draw(any_events())
        if "term" in made.__struct_fields__ and self.draw(st.booleans()):
            made = msgspec.structs.replace(made, term=self.term)
        return made


__all__ = ["ROUTER", "Hostile", "any_events"]
