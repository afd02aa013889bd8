"""Intents, on `intents.v1`: transactions for a signer. Its reports come back on `events.v1`.

An intent is one transaction, identified by its digest. The signer never reports inclusion or success:
these come with the block (`BlockSeen.receipts`), and a reorg takes them back with it.
"""

import msgspec

from pipeline.messages.base import BlockRef, Output
from pipeline.messages.goals import Step
from pipeline.units import Address, BookId, RawAmount, Seconds, Wei


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The call of a transaction, which the owner sends, or which is sent through it."""

    to: Address
    data: str
    """The calldata in 0x-hex."""
    value_wei: Wei = Wei(0)
    gas_limit: int


class Minimum(msgspec.Struct, frozen=True, kw_only=True):
    """The least change of the owner's balance of a token; negative: the balance may fall by at most that."""

    token: Address
    delta: RawAmount


class SubmitTransaction(Output, frozen=True, kw_only=True, tag=True):
    """An intent: a command to the signer to send a transaction once, if its limits and checks still allow it."""

    book: BookId
    policy_version: str
    owner: Address
    signer: Address
    plan: str
    """The id of the plan to which it belongs."""
    step: Step
    attempt: int
    """The number of the attempt at this step of the plan, from 1."""
    position: str
    """What only one intent at a time may act on: `position/M/id`, or `book/ID` where there is no position yet."""
    after: str | None = None
    """The digest of the intent that must take the nonce before; None: none."""
    made_at: BlockRef
    call: Call
    minimums: tuple[Minimum, ...] = ()
    deadline_s: Seconds
    """The block timestamp after which it must not be sent."""
    max_age_blocks: int
    """How many blocks above `made_at` it may be signed at most."""
    max_fee_per_gas_wei: Wei
    """The highest fee per gas that may be offered, bumps included."""
    is_private: bool = False
    """It may be sent to a private relay only, until it is mined."""

    @property
    def digest(self) -> str:
        """The intent's digest: the last part of its id."""
        return self.id.rpartition(".")[2]
