"""Intents, blocks and signed attempts for tests of the signer."""

from typing import Any

from pipeline.messages.base import BlockRef, Cause
from pipeline.messages.journal import Attempt
from pipeline.messages.transactions import Call, Minimum, SubmitTransaction
from pipeline.units import Address, BlockNumber, BookId, Hash, Offset, Seconds, ShardId, Wei
from streams.submit.limits import Budget

GWEI = 10**9
SIGNER = "0x" + "51" * 20
GENESIS_S = 1_767_225_600


def block(number: int, branch: int = 0) -> BlockRef:
    """A block of a branch; every 12 seconds."""
    return BlockRef(
        number=BlockNumber(number),
        hash=Hash(f"0x{branch:032x}{number:032x}"),
        parent_hash=Hash(f"0x{branch:032x}{number - 1:032x}"),
        timestamp_s=Seconds(GENESIS_S + 12 * number),
    )


def intent(
    digest: int | str = 1,
    *,
    made_at: BlockRef | None = None,
    shard: int = 0,
    offset: int = 7,
    position: str = "position/0xaa/1",
    after: str | None = None,
    signer: str = SIGNER,
    owner: str | None = None,
    to: str = "0x" + "aa" * 20,
    data: str = "0x",
    value_wei: int = 0,
    gas_limit: int = 200_000,
    minimums: tuple[Minimum, ...] = (),
    deadline_s: int | None = None,
    max_age_blocks: int = 5,
    max_fee_gwei: int = 200,
    book: str = "b1",
) -> SubmitTransaction:
    """An intent as a shard would put it on its topic."""
    made_at = made_at or block(100)
    name = f"{digest:016x}" if isinstance(digest, int) else digest
    return SubmitTransaction(
        id=f"reb.{shard}.{offset}.{name}",
        because_of=Cause(shard=ShardId(shard), offset=Offset(offset), block=made_at),
        book=BookId(book),
        policy_version="1" * 64,
        owner=Address(owner or signer),
        signer=Address(signer),
        plan="reb.0.7.0123456789abcdef",
        step="swap",
        attempt=1,
        position=position,
        after=after,
        made_at=made_at,
        call=Call(to=Address(to), data=data, value_wei=Wei(value_wei), gas_limit=gas_limit),
        minimums=minimums,
        deadline_s=Seconds(made_at.timestamp_s + 300 if deadline_s is None else deadline_s),
        max_age_blocks=max_age_blocks,
        max_fee_per_gas_wei=Wei(max_fee_gwei * GWEI),
    )


def attempt(name: int, *, max_fee_gwei: int = 30, tip_gwei: int = 1, cancels: bool = False) -> Attempt:
    """A signed version; its bytes are never looked at."""
    return Attempt(
        transaction_hash=Hash(f"0x{name:064x}"),
        raw=f"0x{name:08x}",
        max_fee_wei=Wei(max_fee_gwei * GWEI),
        tip_wei=Wei(tip_gwei * GWEI),
        gas_limit=200_000,
        cancels=cancels,
    )


def wide_budget(token: str, **changes: Any) -> Budget:
    """A budget that nothing of a test exceeds, unless it says so."""
    usual: dict[str, Any] = {
        "max_loss_per_day": 10**40,
        "max_notional": 10**40,
        "max_notional_per_day": 10**41,
        "max_actions_per_hour": 10_000,
    }
    return Budget(token=Address(token), **(usual | changes))
