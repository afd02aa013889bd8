"""Rewind a shard to before a proposal, with the proposal's book alone and live."""

from msgspec import UNSET
from msgspec.structs import replace

from pipeline import keys
from pipeline.messages.effects import BookEffects, Untried
from pipeline.messages.entries import Cursor, HighestHead, Writer
from pipeline.messages.events import BlockSeen
from pipeline.messages.policy import Policy
from pipeline.messages.read_values import NativeBalance
from pipeline.state.book_effects import effects_of
from pipeline.state.policies import book_accounts, policies
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import NATIVE, BlockNumber, BookId, Offset, Seconds, Wei
from pipeline.venues.wallet.forms import Balance
from streams.rehearse.port import NotTried


def take_back(shard: Shard, book: BookId, untried: Untried, offset: Offset, event: BlockSeen) -> Seconds:
    """Rewind a shard of our own to before the block whose record is at an offset, and return the block time.

    The chain part goes back by its frames, as in a reorg; of effects only when the cooldown and the rests of a hedge began.
    Raises: NotTried.
    """
    tables = shard.tables
    policy = tables.find(keys.policy(book), Policy)
    if policy is None or policy.policy_version != untried.policy_version:
        raise NotTried("refused", "the policy has changed since")
    head, at = tables.head, untried.at
    if head is None or head.number < at.number or event.block != at:
        raise NotTried("orphaned", f"the shard has gone back below block {at.number}")
    parent = BlockNumber(at.number - 1)
    if not tables.reaches(parent):
        raise NotTried("too_old", f"the shard no longer remembers what was before block {at.number}")
    if head.hash != at.hash and tables.branch_hash(at.number) != at.hash:
        raise NotTried("orphaned", f"block {at.number} is another by now")
    tables.rewind(parent)
    before = tables.head
    if before is None:
        raise NotTried("too_old", f"block {at.number} is the shard's first")
    effects = effects_of(tables, book)
    then = replace(
        effects, last_proposed_at_s=untried.proposed_before_s, refused_at_s=None, refusals_in_a_row=0
    )
    tables.put(keys.effects(book), _hedge_before(then, policy, at.timestamp_s))
    for other in policies(tables):
        tables.put(keys.policy(other.book), None)
    tables.put(keys.policy(book), replace(policy, mode="live"))
    tables.put(keys.WRITER, Writer(term=event.term, instance="dry-run"))
    tables.put(keys.HALTED, None)
    tables.put(keys.CURSOR, Cursor(offset=Offset(offset - 1)))
    tables.put(keys.HIGHEST, HighestHead(number=parent))
    return Seconds(max(at.timestamp_s - before.timestamp_s, 1))


def _hedge_before(effects: BookEffects, policy: Policy, at_s: Seconds) -> BookEffects:
    """Forget rests of a hedge that began with a block or later: at a block where it proposed, it did not rest."""
    rests_until_s, secured_at_s = effects.hedge_rests_until_s, effects.hedge_secured_at_s
    if policy.hedge and rests_until_s is not UNSET and rests_until_s - policy.hedge.pace_s >= at_s:
        effects = replace(effects, hedge_rests_until_s=UNSET)
    if secured_at_s is not UNSET and secured_at_s >= at_s:
        effects = replace(effects, hedge_secured_at_s=UNSET)
    return effects


def with_all_native_balances(tables: Tables, event: BlockSeen) -> BlockSeen:
    """Add the native balances of all remaining accounts to a block's record, after `take_back`.

    A record may tell only what has changed, with a checksum that is of the other books' accounts, too; what it leaves out is as before.
    """
    if event.native_checksum is UNSET:
        return event
    told = {each.account for each in event.reads if isinstance(each, NativeBalance)}
    kept = [
        NativeBalance(account=account, amount_wei=Wei(balance.amount))
        for account in sorted(book_accounts(tables) - told)
        if (balance := tables.find(keys.balance(account, NATIVE), Balance)) is not None
    ]
    return replace(event, reads=(*event.reads, *kept), native_checksum=UNSET)
