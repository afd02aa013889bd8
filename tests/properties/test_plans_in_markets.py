"""Under any price moves during a plan, no transaction of the plan leaves the book worse than doing nothing."""

import random
from collections import Counter

import msgspec
from builders import ROOMY_SIGNER
from depth import examples
from desk import live
from hypothesis import event, given, settings
from hypothesis import strategies as st
from lifecycle import Lifecycle
from toy_sender import Wants, everything
from toy_signer import whale

from pipeline.messages.decisions import PlanOpened, PlanRevised, Quarantined
from pipeline.messages.policy import Limits, Policy, Rerange, TargetBand

_SLIPPAGE_BPS = 300
TOLERANCE_BPS = _SLIPPAGE_BPS // 2 + 5
"""A swap is sized at one price and may run at another, both within the slippage of the reference. Half of what lies
between two prices that far apart is what such a move changes the share of a book by at most; the rest is rounding."""


class Tale(msgspec.Struct, frozen=True):
    """What happens to a book, and what book it is."""

    market: list[int]
    """Of each block: how many thousandths of the pool's liquidity somebody buys, or sells."""
    target: int = 5_000
    half: int = 150
    on_stall: str = "hold_and_alert"
    down: bool = True
    reorg_at: int = 99
    depth: int = 1
    slippage: int = _SLIPPAGE_BPS
    """Of the reference price, in bps: where it is narrow swaps are cut short, and plans become steps."""
    pool: int = 10**22
    """Liquidity of others. The smaller it is, the more a swap of ours moves the price."""
    standing: int = 0
    """What spenders may go on being allowed: where it is enough, a mint goes out with its swap."""
    delay: int = 0
    """So many blocks from the reorg on nothing of ours is mined."""


def book(tale: Tale) -> Policy:
    return live(
        strategy=TargetBand(
            target_share_bps=tale.target,
            band_bps=600,
            hysteresis_bps=100,
            hold_out_of_range_s=60,
            cooldown_s=48,
        ),
        limits=Limits(
            twap_window_s=24,
            max_spot_from_twap_log_bps=3_000,
            max_cost_bps=1_000,
            max_slippage_bps=tale.slippage,
            max_age_blocks=20,
            signer=ROOMY_SIGNER,
        ),
        action=Rerange(
            half_width_log_bps=tale.half,
            stall_after_s=120,
            on_stall=tale.on_stall,
            standing_base=tale.standing,
            standing_quote=tale.standing,
        ),
    )


def play(tale: Tale) -> Lifecycle:
    life = Lifecycle(book(tale), depth=tale.pool)
    life.let_stand(tale.standing)
    life.block(lambda chain: whale(chain, down=tale.down, amount=3 * tale.pool // 100))
    for at, move in enumerate(tale.market):
        if at == tale.reorg_at:
            life.reorg(tale.depth, again=True)
        wants: Wants = (lambda _: False) if 0 <= at - tale.reorg_at < tale.delay else everything
        life.block(
            lambda chain, m=move: m and whale(chain, down=m < 0, amount=abs(m) * tale.pool // 1_000),
            wants=wants,
        )
    for _ in range(12):
        life.block()
    return life


def swaps_of(life: Lifecycle) -> list[tuple[int, int]]:
    return [(alone, after) for alone, after, steps in life.acted if "swap" in steps]


def assert_no_worse(life: Lifecycle) -> None:
    assert not life.said(Quarantined)
    for alone, after, steps in life.acted:
        assert after <= alone + TOLERANCE_BPS, (alone, after, steps)


@st.composite
def tales(draw: st.DrawFn) -> Tale:
    """Mostly quiet, at times a jump: up to some 30 % of the price within a plan."""
    moves = [
        draw(st.integers(-6, 6)) if draw(st.integers(0, 3)) == 0 else 0
        for _ in range(draw(st.integers(8, 16)))
    ]
    return Tale(
        market=moves,
        target=draw(st.sampled_from([3_000, 5_000, 7_000])),
        half=draw(st.sampled_from([60, 150, 400])),
        on_stall=draw(st.sampled_from(["wait", "mint_as_is", "hold_and_alert"])),
        down=draw(st.booleans()),
        reorg_at=draw(st.integers(0, 12)),
        depth=draw(st.integers(1, 6)),
        delay=draw(st.integers(0, 8)),
        slippage=draw(st.sampled_from([10, 30, _SLIPPAGE_BPS])),
        pool=draw(st.sampled_from([5 * 10**20, 10**22])),
        standing=draw(st.sampled_from([0, 10**24])),
    )


@given(tales())
@settings(deadline=None, max_examples=examples(20))
def test_no_action_of_ours_leaves_the_book_worse(tale: Tale) -> None:
    life = play(tale)
    event(f"{len(swaps_of(life))} swaps, {len(life.said(PlanRevised))} revised")
    assert_no_worse(life)


def test_enough_of_such_tales_swap_and_change_their_minds() -> None:
    dice, reached = random.Random(7), Counter()
    for _ in range(40):
        moves = [dice.randint(-6, 6) if dice.random() < 0.3 else 0 for _ in range(12)]
        life = play(
            Tale(
                market=moves,
                down=dice.random() < 0.5,
                reorg_at=dice.randint(0, 9),
                delay=dice.randint(0, 6),
                slippage=dice.choice([10, 30, _SLIPPAGE_BPS]),
                pool=dice.choice([5 * 10**20, 10**22]),
                standing=dice.choice([0, 10**24]),
            )
        )
        assert_no_worse(life)
        reached["plans"] += len(life.said(PlanOpened))
        reached["swaps"] += len(swaps_of(life))
        reached["revised"] += len(life.said(PlanRevised))
        reached["together"] += len(
            {i.made_at.hash for i in life.commanded("swap")}
            & {i.made_at.hash for i in life.commanded("mint")}
        )
        reached["steps"] += sum(bool(each.cut_short) for each in life.said(PlanOpened))
    assert reached["plans"] >= 40, reached
    assert reached["swaps"] >= 30, reached
    assert reached["revised"] >= 10, reached
    assert reached["steps"] >= 5, reached
    assert reached["together"] >= 8, reached
