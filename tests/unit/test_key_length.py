"""A text in an event that becomes a key, or an integer, may not be longer than the limit."""

import pytest
from builders import OWNER, policy
from msgspec.structs import replace

from pipeline.messages.base import BlockRef, RawLog, Receipt
from pipeline.messages.dry_run import DryRun
from pipeline.messages.events import BlockSeen, DryRunEnded, Event, Paused, PolicySet
from pipeline.messages.read_values import AllowanceRead, NativeBalance
from streams.kafka.key_length import LONGEST_NAME, why_unnameable

HASH = "0x" + "1" * 64
LONG = "a" * (LONGEST_NAME + 1)
RECEIPT = Receipt(
    transaction_hash=HASH,
    transaction_index=0,
    sender=OWNER,
    to=None,
    succeeded=True,
    gas_used=1,
    effective_gas_price_wei=1,
)
ALLOWANCE = AllowanceRead(owner=OWNER, token=OWNER, spender=OWNER, amount=10**70)
LOG = RawLog(
    address=OWNER,
    topics=(HASH,),
    data="0x" + "0" * 10_000,
    transaction_hash=HASH,
    transaction_index=0,
    log_index=0,
)
BLOCK = BlockSeen(
    term=1,
    block=BlockRef(number=1, hash=HASH, parent_hash=HASH, timestamp_s=1),
    base_fee_wei=1,
    logs=(LOG,),
    receipts=(RECEIPT,),
    reads=(NativeBalance(account=OWNER, amount_wei=1), ALLOWANCE),
)
LARGEST = 10**100 - 1
DRY_RUN = DryRunEnded(book=LONG[1:], proposal="", run=DryRun(outcome="done", reason=LONG))
TOO_LONG = {
    "$.block.hash": replace(BLOCK, block=replace(BLOCK.block, hash=LONG)),
    "$.receipts[...].to": replace(BLOCK, receipts=(RECEIPT, replace(RECEIPT, to=LONG))),
    "$.reads[...].spender": replace(BLOCK, reads=(ALLOWANCE, replace(ALLOWANCE, spender=LONG))),
    "$.native_checksum": replace(BLOCK, native_checksum=LONG),
    "$.policy.book": PolicySet(policy=replace(policy(), book=LONG)),
    "$.policy.accounts[...]": PolicySet(policy=replace(policy(), accounts=(OWNER, LONG))),
    "$.scope": Paused(scope=LONG, reason="", by=""),
}


TOO_LARGE = {
    "$.term": replace(BLOCK, term=LARGEST + 1),
    "$.block.number": replace(BLOCK, block=replace(BLOCK.block, number=LARGEST + 1)),
    "$.logs[...].log_index": replace(BLOCK, logs=(LOG, replace(LOG, log_index=LARGEST + 1))),
    "$.reads[...].amount": replace(BLOCK, reads=(replace(ALLOWANCE, amount=-LARGEST - 1),)),
    "$.run.blocks": replace(DRY_RUN, run=replace(DRY_RUN.run, blocks=LARGEST + 1)),
}


@pytest.mark.parametrize("path", TOO_LONG)
def test_the_field_is_named(path):
    event: Event = TOO_LONG[path]
    said = f"a name of {LONGEST_NAME + 1} characters, more than {LONGEST_NAME} - at `{path}`"
    assert why_unnameable(event) == said


@pytest.mark.parametrize("path", TOO_LARGE)
def test_the_field_of_a_too_large_integer_is_named(path):
    assert why_unnameable(TOO_LARGE[path]) == f"an integer of more than 100 digits - at `{path}`"


@pytest.mark.parametrize(
    "event",
    [
        BLOCK,
        replace(BLOCK, native_checksum=LONG[1:]),
        PolicySet(policy=policy()),
        Paused(scope="all", reason=LONG, by=LONG),
        DRY_RUN,
        replace(BLOCK, term=LARGEST, base_fee_wei=-LARGEST, logs=(replace(LOG, log_index=LARGEST),)),
    ],
)
def test_what_is_no_name_and_a_name_as_long_as_a_key_may_be_pass(event):
    assert why_unnameable(event) is None
