"""A plan on a book that has changed since it was opened: it goes on, with another range, without a swap, or stops."""

import pytest
from builders import BASE, OWNER, ROOMY_SIGNER
from desk import live
from lifecycle import Lifecycle, deviation
from toy_signer import whale

from pipeline.messages.decisions import PlanClosed, PlanRevised
from pipeline.messages.events import IntentRefused
from pipeline.messages.outcomes import Done, Stopped
from pipeline.messages.policy import Limits, Rerange
from pipeline.venues.uniswap_v3.calldata import read_calls

WIDE = Limits(
    twap_window_s=24,
    max_spot_from_twap_log_bps=3_000,
    max_cost_bps=1_000,
    max_slippage_bps=1_000,
    signer=ROOMY_SIGNER,
)


def opened(**changes) -> Lifecycle:
    """A plan whose first phase is commanded: the price was pushed down, so there is too much of the base."""
    usual = {"limits": WIDE, "action": Rerange(half_width_log_bps=150, stall_after_s=120)}
    life = Lifecycle(live(**{**usual, **changes}), depth=10**22)
    life.block(lambda chain: whale(chain, down=True, amount=15 * 10**19))
    assert [each.step for each in life.queue] == ["withdraw"]
    return life


def jump(life: Lifecycle, ether: int) -> None:
    """Let the price move in a block, however far the one before it."""
    life.block(lambda chain: whale(chain, down=ether < 0, amount=abs(ether) * 10**18))


def refuse(life: Lifecycle) -> None:
    """Let the signer say that what was commanded fails on its head."""
    for each in life.queue:
        life.watcher.append(IntentRefused(intent=each.digest, reason="simulation", detail="a test"))
    life.queue.clear()
    life.take()


@pytest.mark.parametrize("ether", [-250, 150, 300, 500])
def test_a_jump_behind_the_withdrawal_changes_the_range_and_not_the_book(ether):
    life = opened()
    jump(life, ether)  # in the block of the withdrawal
    before = deviation(life.chain, life.book)
    life.until_over()
    assert life.outcomes()[-1] == Done()
    assert deviation(life.chain, life.book) <= max(before, 100)
    assert all(after <= alone + 60 for alone, after, _ in life.acted), life.acted
    life.assert_whole()


def test_what_the_price_has_healed_is_not_swapped_again():
    """The swap would go the wrong way by now; the tokens go into a range that fits them."""
    life = opened()
    life.block()
    assert [each.step for each in life.queue] == ["approve", "swap"]
    sold = read_calls(life.queue[-1].call.data)[0].arguments[0]
    assert sold == BASE
    target = life.book.strategy.target_share_bps
    share = deviation(life.chain, life.book) + target
    assert share > target
    healed = live(
        limits=WIDE,
        action=life.book.action,
        strategy=life.book.strategy.__class__(
            target_share_bps=share, band_bps=600, hysteresis_bps=100, hold_out_of_range_s=60, cooldown_s=48
        ),
    )
    life = opened()
    life.watcher.set_policy(healed)
    life.book = healed
    life.take()
    life.until_over()
    assert life.outcomes()[-1] == Done()
    assert all(abs(after - alone) <= 60 for alone, after, _ in life.acted), life.acted
    life.assert_whole()


def test_a_withdrawal_that_is_not_wanted_any_more_is_not_made_again():
    """It is cancelled past its deadline; by then the price has come back."""
    life = opened()
    life.block(lambda chain: whale(chain, down=False, amount=15 * 10**19), wants=lambda a: a.cancels)
    for _ in range(40):
        life.block(wants=lambda a: a.cancels or a.transaction_hash not in old_of(life))
        if life.said(PlanClosed):
            break
    (closed,) = life.said(PlanClosed)
    assert closed.outcome == Stopped(phase="withdraw", reason="inside_band")
    assert not life.mined("withdraw")
    assert len(life.liquid()) == 1
    assert not any(life.chain.allowances.values())


def old_of(life: Lifecycle) -> set[str]:
    first = life.commanded("withdraw")[0].digest.rjust(16, "0")
    return {
        a.transaction_hash
        for b in life.sender.memory.account.nonces
        for a in b.attempts
        if a.transaction_hash.endswith(first)
    }


def test_a_range_that_takes_too_little_is_changed_before_it_is_minted():
    life = opened()
    while "swap" not in [step for _, _, steps in life.acted for step in steps]:
        life.block()
    assert [each.step for each in life.queue][-1] == "mint"
    refuse(life)
    jump(life, -250)
    life.until_over()
    assert [each.phase for each in life.said(PlanRevised)] == ["mint"]
    assert life.outcomes()[-1] == Done()
    (nft,) = life.liquid()
    assert nft.tick_lower <= life.chain.pool.tick < nft.tick_upper
    idle = life.chain.balances[OWNER, BASE]
    assert idle < 10**18
