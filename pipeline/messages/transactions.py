"""Intents, on `intents.v1`: transactions for a signer. Its reports come back on `events.v1`.

An intent is one transaction. Its digest names it for ever; inclusion and success are never reported,
they come with the block (`BlockSeen.receipts`) and go away with it.
"""

import msgspec

from pipeline.messages.base import BlockRef, Output
from pipeline.messages.goals import Step
from pipeline.units import Address, BookId, RawAmount, Seconds, Wei


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction does. It is sent by the owner, or through it."""

    to: Address
    data: str
    """0x-hex calldata."""
    value_wei: Wei = Wei(0)
    gas_limit: int


class Minimum(msgspec.Struct, frozen=True, kw_only=True):
    """The owner's balance of a token must change by at least this; negative: may fall by at most that."""

    token: Address
    delta: RawAmount


class SubmitTransaction(Output, frozen=True, kw_only=True, tag=True):
    """A command to the signer: send this once, if it still holds."""

    book: BookId
    policy_version: str
    owner: Address
    signer: Address
    plan: str
    """Id of the plan it is a step of."""
    step: Step
    attempt: int
    """Counts the commands for the same step of the same plan, from 1."""
    position: str
    """What it is exclusive on: `position/M/id`, or `book/ID` where there is none yet."""
    after: str | None = None
    """Digest of the intent that takes the nonce before; None: none must."""
    made_at: BlockRef
    call: Call
    minimums: tuple[Minimum, ...] = ()
    deadline_s: Seconds
    """Block time after which it must not be sent."""
    max_age_blocks: int
    """How many blocks above `made_at` it may still be signed."""
    max_fee_per_gas_wei: Wei
    """The most that may be offered, bumps included."""
    is_private: bool = False
    """Nobody but a relay may be shown it before it is mined."""

    @property
    def digest(self) -> str:
        """Name the intent: the last part of its id."""
        return self.id.rpartition(".")[2]
