"""A book that rests would have said nothing and written nothing: with and without rests, a log leads to the same."""

from collections import Counter
from typing import Any

import pytest
from builders import BASE, FINAL_DEPTH, OWNER, POOL, QUOTE, STRANGER, ToyWatcher, policy, started
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.advance import books
from pipeline.advance.resting import is_resting
from pipeline.drive import drive
from pipeline.messages.events import Paused, PolicyRemoved, Resumed
from pipeline.messages.policy import TargetBand, TokenSpec
from pipeline.messages.prices import Asset, FeedPrice, MeanPath, Reference
from pipeline.messages.read_values import FeedRead
from pipeline.state.shard import Shard

CHAIN = replace(policy().chain, report_every_blocks=5)
BETA = {"book": "beta", "owner": STRANGER, "accounts": (STRANGER,), "publishes": (), "chain": CHAIN}
BANDS = (
    TargetBand(band_bps=100, hysteresis_bps=50, cooldown_s=36),
    TargetBand(target_share_bps=2_000, cooldown_s=60, hold_out_of_range_s=30),
    TargetBand(band_bps=9_000, hysteresis_bps=10, hold_out_of_range_s=36, cooldown_s=24),
)
RESTED: Counter[str] = Counter()


def tell(watcher: ToyWatcher, act: int) -> None:
    """Do one of the things after which a book may have to be looked at, or may not."""
    match act:
        case 0 | 1 | 2:
            watcher.block(0)
        case 3:
            watcher.chain.mine(0)
            watcher.chain.move(BASE, STRANGER, OWNER, 10**20)
            watcher.tell()
        case 4:
            watcher.block(2)
        case 5:
            watcher.chain.mine(0)
            for _ in range(watcher.chain.random.randint(1, 3)):
                watcher.chain.swap(10**20, down=watcher.chain.head.number % 4 < 2)  # out of the band, or back
            watcher.tell()
        case 6:
            base = watcher.fork(f"other {len(watcher.log)}")
            for _ in range(min(3, FINAL_DEPTH - 1)):
                watcher.block(1)
            watcher.revert_to(base)
        case 7:
            watcher.append(Paused(scope="book/alpha", reason="lunch", by="me"))
        case 8:
            watcher.append(Resumed(scope="book/alpha", reason="back", by="me"))
        case 9:
            watcher.set_policy(policy(**BETA))
        case 10:
            watcher.append(PolicyRemoved(book="beta"))
        case _:
            watcher.set_policy(policy(chain=CHAIN, strategy=BANDS[act % 3]))


def told(watcher: ToyWatcher) -> tuple[list[Any], dict[str, Any]]:
    shard = Shard(0)
    return drive(shard, watcher.log), dict(shard.tables.entries())


def compare(watcher: ToyWatcher) -> None:
    def counted(context: Any) -> bool:
        rests = is_resting(context)
        RESTED["rested" if rests else "looked at"] += 1
        return rests

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(books, "is_resting", counted)
        with_rests = told(watcher)
        patched.setattr(books, "is_resting", lambda _: False)
        without = told(watcher)
    assert with_rests[0] == without[0]
    assert with_rests[1] == without[1]


acts = st.lists(st.integers(0, 13), min_size=4, max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), acts, st.sampled_from(["dry-run", "live", "watch"]))
def test_with_and_without_rests_a_log_leads_to_the_same(seed, story, mode):
    watcher = started(seed, policy(chain=CHAIN, mode=mode))
    watcher.coins_change = False
    for act in story:
        tell(watcher, act)
    compare(watcher)


def test_the_stories_rest_and_wake():
    RESTED.clear()
    for act in range(14):
        for band in (11, 12, 13):
            watcher = started(act, policy(chain=CHAIN))
            watcher.coins_change = False
            for each in (band, 9, 0, 0, 0, act, 0, 0, act, 0, 0, 6, 0, 0, 5, 0, 0, 0):
                tell(watcher, each)
            compare(watcher)
    assert RESTED["rested"] > 300
    assert RESTED["looked at"] > 300


def test_a_quiet_book_rests_until_it_is_due():
    RESTED.clear()
    watcher = started(7, policy(chain=CHAIN, strategy=BANDS[2]))
    watcher.coins_change = False
    for _ in range(30):
        watcher.block(0)
    compare(watcher)
    assert RESTED["rested"] > 20
    assert RESTED["looked at"] >= 6, "a refusal is said again every five blocks"


def test_liquidity_out_of_range_is_noticed_by_the_clock_alone():
    watcher = started(7, policy(chain=replace(CHAIN, report_every_blocks=1_000), strategy=BANDS[2]))
    watcher.coins_change = False
    tell(watcher, 5)
    for _ in range(8):
        watcher.block(0)
    compare(watcher)
    said = [type(output).__name__ for output in told(watcher)[0]]
    assert "RebalanceProposed" in said


def test_a_mean_that_follows_by_the_clock_alone_is_noticed():
    mean = MeanPath(pools=(POOL,), window_s=48)
    band = replace(BANDS[0], cooldown_s=12)
    book = policy(
        chain=replace(CHAIN, report_every_blocks=1_000), strategy=band, references=(Reference(price=mean),)
    )
    watcher = started(7, book)
    watcher.coins_change = False
    for _ in range(8):
        watcher.block(0)
    tell(watcher, 5)
    for _ in range(8):
        watcher.block(0)
    compare(watcher)
    said = [getattr(output, "reason", type(output).__name__) for output in told(watcher)[0]]
    assert {"prices_apart", "mean_too_short", "RebalanceProposed"} <= set(said)


def test_an_answer_that_gets_too_old_by_the_clock_alone_is_noticed():
    feed = FeedPrice(feed=STRANGER, unit=QUOTE, max_age_s=60)
    third = TokenSpec(address=STRANGER, symbol="THIRD", decimals=8)
    asset = Asset(token=STRANGER, price_path=(), valued_by=feed)
    watcher = started(7, policy())
    watcher.chain.balances[OWNER, STRANGER] = 10
    watcher.set_policy(
        policy(
            chain=replace(CHAIN, report_every_blocks=1_000),
            strategy=BANDS[2],
            tokens=(*policy().tokens, third),
            assets=(asset,),
        )
    )
    watcher.coins_change = False
    said = {"round_id": 1, "answer": 10**8, "decimals": 8}
    watcher.feeds[STRANGER] = FeedRead(feed=STRANGER, updated_at_s=watcher.chain.head.timestamp_s, **said)
    for _ in range(9):
        watcher.block(0)
    compare(watcher)
    assert "price_too_old" in [getattr(output, "reason", "") for output in told(watcher)[0]]
