"""A dry-run on the toy chain equals the live book to the last number, and leaves nothing behind."""

import pytest
from builders import OWNER, ROOMY_SIGNER, STRANGER
from desk import Desk, live
from msgspec import UNSET
from toy_fork import ToyFork, stored, trial_of, untried_of

from pipeline.messages.decisions import PlanClosed
from pipeline.messages.events import BlockSeen, Paused, PolicySet, WriterStarted
from pipeline.messages.goals import read_terms
from pipeline.messages.policy import Limits, Rerange
from pipeline.messages.transactions import SubmitTransaction
from pipeline.venues.uniswap_v3.assess import PositionTerms
from streams.rehearse import trial as trial_module
from streams.rehearse.port import NotTried

DRY = {"mode": "dry-run"}
OTHER = {"book": "beta", "owner": STRANGER, "accounts": (STRANGER,), "publishes": ()}


def proposing(down: bool = True, **changes) -> Desk:
    desk = Desk(live(**{**DRY, **changes}))
    desk.block(push=down)
    return desk


async def tried(desk: Desk, **fork):
    (untried,) = untried_of(desk.shard)
    return await trial_of(desk, untried).run(ToyFork(desk, **fork))


@pytest.mark.parametrize("down", [True, False])
async def test_it_is_what_the_live_book_does(down):
    dry, acting = proposing(down), Desk(live())
    acting.block(push=down)
    before = stored(dry.shard)
    told = await tried(dry)
    assert stored(dry.shard) == before, "the book keeps its real position"
    assert (told.outcome, told.reason, told.lent_wei) == ("done", "", 0)

    quiet = ToyFork(acting)  # the live book, nobody else trading, as on the fork
    commands = [o for o in acting.outputs if isinstance(o, SubmitTransaction)]
    blocks, closed = 0, False
    while not closed:
        for command in commands:
            acting.watcher.log += await quiet.send(command)
        acting.watcher.log.append(await quiet.mine(acting.shard.tables))
        acting.watcher.log += quiet.watcher.log[quiet.watcher.log.index(acting.watcher.log[-1]) + 1 :]
        new = acting.take()
        commands = [o for o in new if isinstance(o, SubmitTransaction)]
        closed = any(isinstance(o, PlanClosed) for o in new)
        blocks += 1
    assert [step.step for step in told.steps] == [intent.step for intent in quiet.signer.done]
    assert told.blocks == blocks
    (position,) = acting.liquid()
    (made,) = told.new_positions
    minted = read_terms(made.terms, PositionTerms)
    assert (made.venue, minted.pool) == ("uniswap_v3", position.pool)
    assert (minted.tick_lower, minted.tick_upper, minted.liquidity) == (
        position.tick_lower,
        position.tick_upper,
        position.liquidity,
    )
    deltas = {change.token: change.delta for change in told.changes}
    for (account, token), amount in quiet.watcher.chain.balances.items():
        if account == OWNER:
            assert deltas.get(token, 0) == amount - dry.watcher.chain.balances[account, token]
    assert abs(told.after.deviation_bps) < abs(told.before.deviation_bps)


async def test_a_book_beside_others_is_tried_as_if_alone():
    """The proposal's block has only changed native balances, with a checksum of both books' accounts; the trial has one book."""
    alone, beside = proposing(), Desk(live(**DRY))
    beside.watcher.append(PolicySet(policy=live(**DRY, **OTHER)))
    beside.watcher.read_wanted()
    beside.take()
    for _ in range(2):
        beside.block()
    beside.block(push=True)
    (untried,) = untried_of(beside.shard)
    block = next(e for e in beside.watcher.log if isinstance(e, BlockSeen) and e.block == untried.at)
    assert block.native_checksum is not UNSET
    told, expected = await tried(beside), await tried(alone)
    assert (told.outcome, told.reason) == ("done", "")
    assert [step.step for step in told.steps] == [step.step for step in expected.steps]


async def test_later_blocks_change_nothing_of_it():
    desk = proposing()
    fork = ToyFork(desk)
    (untried,) = untried_of(desk.shard)
    at_once = await trial_of(desk, untried).run(ToyFork(desk))
    for _ in range(5):
        desk.block()
    desk.block(push=False)
    assert await trial_of(desk, untried).run(fork) == at_once


async def test_a_guard_that_refuses_the_beginning():
    desk = proposing(limits=Limits(twap_window_s=24, max_spot_from_twap_log_bps=1, signer=ROOMY_SIGNER))
    with pytest.raises(NotTried, match="spot_from_twap") as end:
        await tried(desk)
    assert end.value.outcome == "refused"


async def test_a_middle_that_stalls_is_told_with_what_was_done():
    desk = proposing(action=Rerange(half_width_log_bps=100, stall_after_s=60))
    told = await tried(desk, refuses=frozenset({"swap"}))
    assert told.outcome == "stalled"
    assert "step_failed" in told.reason
    assert told.steps[0].step == "withdraw"
    assert not told.new_positions
    assert told.after.holdings[0].principal == 0


async def test_nothing_that_can_be_sent_is_a_failure():
    told = await tried(proposing(), refuses=frozenset({"withdraw"}))
    assert (told.outcome, told.steps) == ("failed", ())
    assert "a test" in told.reason


async def test_it_ends(monkeypatch):
    monkeypatch.setattr(trial_module, "MOST_BLOCKS", 3)
    desk = proposing(action=Rerange(half_width_log_bps=100, on_stall="wait"))
    told = await tried(desk, refuses=frozenset({"swap"}))
    assert (told.outcome, told.blocks) == ("stalled", 3)


async def test_a_pause_since_then_refuses_it():
    desk = proposing()
    desk.watcher.append(Paused(scope="all", reason="stop", by="me"))
    desk.take()
    with pytest.raises(NotTried, match="pause: paused"):
        await tried(desk)


async def test_another_policy_since_then_refuses_it():
    desk = proposing()
    desk.watcher.append(PolicySet(policy=live(**DRY, policy_version="v2")))
    desk.take()
    with pytest.raises(NotTried, match="the policy has changed since"):
        await tried(desk)


async def test_a_block_that_went_away_is_orphaned():
    desk = Desk(live(**DRY))
    base = desk.watcher.fork("other")
    desk.block(push=True)
    (untried,) = untried_of(desk.shard)
    desk.watcher.revert_to(base)
    desk.take()
    with pytest.raises(NotTried) as end:
        await tried(desk)
    assert end.value.outcome == "orphaned"
    desk.block()
    desk.block()
    assert untried in untried_of(desk.shard), "no reorg takes it back"
    with pytest.raises(NotTried) as end:
        trial_of(desk, untried)
    assert end.value.outcome == "orphaned"


async def test_a_final_block_is_too_old():
    desk = proposing()
    (untried,) = untried_of(desk.shard)
    for _ in range(15):
        desk.block()
    with pytest.raises(NotTried) as end:
        trial_of(desk, untried)
    assert end.value.outcome == "too_old"


async def test_a_new_watcher_and_a_halt_since_then_do_not_matter():
    desk = proposing()
    at_once = await tried(desk)
    desk.watcher.append(WriterStarted(term=7, instance="w2"))
    desk.take()
    assert await tried(desk) == at_once
