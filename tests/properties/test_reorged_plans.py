"""Whatever a reorg undoes of a plan, and whatever of it is mined again: the plan ends soon and completely."""

from collections.abc import Callable

import pytest
from builders import MANAGER
from depth import spread
from desk import live
from lifecycle import Lifecycle
from toy_sender import TOY_GAS_WEI, Wants, everything
from toy_signer import whale

from pipeline.advance.busy_signer import BUSY
from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, PlanStalled
from pipeline.messages.effects import BookEffects, Plan
from pipeline.messages.entries import BookPath
from pipeline.messages.events import IntentRefused
from pipeline.messages.outcomes import Done, Left, NeverSent
from pipeline.messages.policy import Rerange
from pipeline.state.shard import Shard
from pipeline.units import ShardId

_DEADLINE_BLOCKS = 26
_BLOCKS = 7
"""From the block that opens a plan to its last one."""
_BLOCKS_OF_THREE = 3
"""The same of a plan whose mint goes out with its swap."""
_MUCH = 10**24
PUSHES = (None, True, False)
"""By a whale, after the reorg: not at all, down, up."""
_LATE_BLOCKS = 3
"""As many different numbers of blocks pass before the reorg: none, one, two."""
_CLEARED_BLOCKS = 3
"""Until what a plan that has ended left allowed is taken back."""
_MOST_BLOCKS = _DEADLINE_BLOCKS + 2 * 6 + _BLOCKS
"""Until what waits is past its deadline, a refused plan and the next one after as long as the policy lets a book be out of range, and the plan."""


def nothing_old(life: Lifecycle) -> Wants:
    """A miner who leaves out what had been signed before the reorg, but for cancellations of it."""
    old = {a.transaction_hash for bound in life.sender.memory.account.nonces for a in bound.attempts}
    return lambda attempt: attempt.cancels or attempt.transaction_hash not in old


def nothing_of_the_last(count: int):
    def leaving(life: Lifecycle) -> Wants:
        old = [bound.attempts[-1].transaction_hash for bound in life.sender.memory.account.waiting()]
        left = set(old[-count:])
        return lambda attempt: attempt.cancels or attempt.transaction_hash not in left

    return leaving


INCLUSIONS = {
    "everything again": lambda _: everything,
    "nothing of it": nothing_old,
    "all but the last": nothing_of_the_last(1),
    "all but the last three": nothing_of_the_last(3),
}


def opened(**standing: int) -> Lifecycle:
    action = Rerange(half_width_log_bps=100, stall_after_s=600, on_stall="wait", **standing)
    life = Lifecycle(live(action=action))
    if standing:
        life.let_stand(_MUCH)
    life.block(lambda chain: whale(chain, down=True))
    assert life.is_open
    return life


def reorgs(most_blocks: int) -> list[tuple[int, int]]:
    """List after how many blocks how many of them may go away."""
    return [(blocks, depth) for blocks in range(1, most_blocks + 1) for depth in range(1, blocks + 1)]


@pytest.mark.parametrize(
    ("at", "pushed", "inclusion"), spread(reorgs(_BLOCKS), PUSHES, tuple(INCLUSIONS)), ids=str
)
def test_a_reorg_of_any_depth_at_any_time(at: tuple[int, int], pushed: bool | None, inclusion: str) -> None:
    reorg(opened(), *at, pushed, INCLUSIONS[inclusion])


@pytest.mark.parametrize(
    ("at", "pushed", "inclusion"), spread(reorgs(_BLOCKS_OF_THREE), PUSHES, tuple(INCLUSIONS)), ids=str
)
def test_a_reorg_of_any_depth_where_the_mint_goes_out_with_the_swap(
    at: tuple[int, int], pushed: bool | None, inclusion: str
) -> None:
    life = opened(standing_base=_MUCH, standing_quote=_MUCH)
    reorg(life, *at, pushed, INCLUSIONS[inclusion])
    swap, mint = life.commanded("swap")[0], life.commanded("mint")[0]
    assert (mint.after, mint.made_at) == (swap.digest, swap.made_at)


def reorg(
    life: Lifecycle, blocks: int, depth: int, pushed: bool | None, inclusion: Callable[[Lifecycle], Wants]
) -> None:
    for _ in range(blocks):
        life.block()
    life.reorg(depth)
    wants = inclusion(life)
    if pushed is not None:
        life.block(lambda chain: whale(chain, down=pushed, amount=3 * 10**20), wants=wants)
    taken = life.until_over(wants=wants)
    assert taken <= _DEADLINE_BLOCKS + 12, (
        "what is left out comes to its deadline, and all of it is made again"
    )
    life.block()  # a minted NFT is read first
    assert life.outcomes()[-1] == Done()
    life.assert_whole()
    assert all(life.most_of_a_plan(step) <= 1 for step in ("withdraw", "swap", "mint"))
    closed = life.said(PlanClosed)[-1]
    assert closed.cost.transactions == life.transactions_of(closed), "what was undone has cost nothing"
    assert closed.cost.gas_wei == closed.cost.transactions * TOY_GAS_WEI


# ------------------------------------------------------------------ a plan whose position goes away
def followed() -> tuple[Lifecycle, int]:
    """Let a plan be done and the next one open at the same block, and return the block at which the first was opened."""
    life = opened()
    began_at = life.chain.head.number
    while not life.mined("mint"):
        life.block()
    while len(life.said(PlanOpened)) < 2:
        life.block(lambda chain: whale(chain, down=False, amount=2 * 10**21))
    (first,), second = life.said(PlanClosed), life.said(PlanOpened)[1]
    assert first.because_of.block == second.because_of.block
    return life, began_at


def end_of(life: Lifecycle, plan: Plan, wants: Wants) -> PlanClosed:
    """Go on until a plan ends: what waits is past its deadline by then."""
    for _ in range(_MOST_BLOCKS):
        ends = [each for each in life.said(PlanClosed) if each.plan == plan.id]
        if ends:
            return ends[0]
        life.block(wants=wants)
    raise AssertionError(f"{_MOST_BLOCKS} blocks, and no end: {life.plan}")


def until_liquid(life: Lifecycle, wants: Wants) -> None:
    """Go on until what waits has come to its deadline, and an idle book's next plan has minted."""
    for _ in range(_MOST_BLOCKS):
        if life.liquid() and not life.is_open:
            return
        life.block(wants=wants)
    raise AssertionError(f"{_MOST_BLOCKS} blocks, and no liquidity: {life.outcomes()[-3:]}")


@pytest.mark.parametrize(
    ("kept", "late", "inclusion"), spread((0, 1, 2), range(_LATE_BLOCKS), tuple(INCLUSIONS)), ids=str
)
def test_a_plan_whose_position_went_away_ends_and_the_book_is_made_whole(
    kept: int, late: int, inclusion: str
) -> None:
    """`kept` of the first plan's blocks stay, none with its mint; the second's withdrawal is signed, mined, or neither."""
    life, began_at = followed()
    second, (nft,) = life.plan, life.plan.goal.terms["withdraw"]
    for _ in range(late):
        life.block()
    life.reorg(life.chain.head.number - began_at - kept)
    minted = f"position/{MANAGER}/{nft}"
    assert minted not in life.shard.tables.entries()
    wants = INCLUSIONS[inclusion](life)
    end = end_of(life, second, wants)
    is_there = minted in life.shard.tables.entries()
    assert (end.outcome == Left(phase="withdraw", reason="position_gone", item=minted)) != is_there
    until_liquid(life, wants)
    life.until_over(wants=wants)
    for _ in range(_CLEARED_BLOCKS):
        life.block(wants=wants)
    assert not {"not_plannable", "no_goal"} & {each.reason for each in life.said(PlanStalled)}
    life.assert_whole()
    assert all(life.most_of_a_plan(step) <= 1 for step in ("withdraw", "swap", "mint"))


def until_third(life: Lifecycle) -> None:
    for _ in range(_MOST_BLOCKS):
        if len(life.said(PlanOpened)) > 2:
            return
        life.block()
    raise AssertionError(f"{_MOST_BLOCKS} blocks, and no third plan: {life.outcomes()}")


@pytest.mark.parametrize("is_signed", [False, True])
def test_such_an_end_costs_no_cooldown_and_without_gas_nothing_of_the_days_limits(is_signed: bool) -> None:
    """All of the first plan comes again but what followed its withdrawal; that of the second reverts, or is refused as orphaned."""
    life, began_at = followed()
    second, effects = life.plan, life.shard.tables.need("effects/alpha", BookEffects)
    for _ in range(is_signed):
        life.block()
    life.reorg(life.chain.head.number - began_at)
    life.block()
    assert isinstance(end_of(life, second, everything).outcome, Left)
    assert life.mined("withdraw"), "the first plan's: the tokens lie in the wallet"
    assert not life.liquid()
    after = life.shard.tables.need("effects/alpha", BookEffects)
    assert after.last_proposed_at_s == second.proposed_before_s
    assert len(after.actions) == len(effects.actions) - (not is_signed)
    until_third(life)
    cooled_at_s = second.made_at.timestamp_s + life.book.strategy.cooldown_s
    assert life.said(PlanOpened)[2].because_of.block.timestamp_s < cooled_at_s
    life.until_over()
    assert life.outcomes()[-1] == Done()
    life.assert_whole()


def test_a_plan_of_which_nothing_was_sent_leaves_a_book_as_stranded_as_it_was() -> None:
    """The position goes away, and then the signer refuses the next plan: the book still counts as out of range."""
    life, began_at = followed()
    life.reorg(life.chain.head.number - began_at - 1)
    until_third(life)
    for each in life.queue:
        life.watcher.append(IntentRefused(intent=each.digest, reason="limits", detail="a test"))
    life.queue.clear()
    life.block()
    assert isinstance(life.outcomes()[-1], NeverSent)
    life.block()
    assert not life.liquid()
    path = life.shard.tables.need("path/alpha", BookPath)
    assert path.out_of_range_since_s is not None


# ------------------------------------------------------------------ a signer that waits for what a plan before had signed
def busy() -> tuple[Lifecycle, Wants]:
    """What was mined of a plan waits again and is left out; the next plan that is opened is refused for it."""
    life, began_at = followed()
    life.reorg(life.chain.head.number - began_at)
    wants = nothing_old(life)
    while not life.said(Declined) or life.said(Declined)[-1].reason != "signer_busy":
        assert len(life.said(PlanOpened)) <= 3
        life.block(wants=wants)
    return life, wants


def refused_as_open(life: Lifecycle) -> int:
    return sum(each.reason == "already_open" for each in life.sender.refusals)


def test_a_signer_that_waits_for_something_else_is_told_once_and_asked_again_when_that_is_mined() -> None:
    life, wants = busy()
    assert life.outcomes()[-1] == NeverSent(step="withdraw", outcome=BUSY)
    assert (opened := len(life.said(PlanOpened))) == 3
    for _ in range(10):
        life.block(wants=wants)
    assert len(life.said(PlanOpened)) == opened
    assert refused_as_open(life) == 1
    told = [each for each in life.said(Declined) if each.reason == "signer_busy"]
    assert {each.gate for each in told} == {"cooldown"}
    assert len(told) <= 1 + 10 // life.book.chain.report_every_blocks, "when it begins, and with every report"
    life.block()
    assert life.said(Declined)[-1].reason != "signer_busy" or len(life.said(PlanOpened)) > opened
    until_liquid(life, everything)
    life.until_over()
    life.assert_whole()
    assert all(life.most_of_a_plan(step) <= 1 for step in ("withdraw", "swap", "mint"))


def test_where_no_block_brings_what_it_waits_for_the_signer_is_asked_again_after_the_policys_time() -> None:
    life, _ = busy()
    since_s = life.chain.head.timestamp_s
    while refused_as_open(life) == 1:
        life.block(wants=lambda _: False)
        assert life.chain.head.timestamp_s <= since_s + life.book.action.stall_after_s + 24
    assert life.chain.head.timestamp_s > since_s + life.book.action.stall_after_s


def test_a_restart_keeps_the_wait() -> None:
    life, wants = busy()
    life.shard = Shard(ShardId(0), dict(life.shard.tables.entries()))
    for _ in range(3):
        life.block(wants=wants)
    assert refused_as_open(life) == 1
