"""An idle book would have published and written nothing: a log leads to the same with and without idle books.

So it does however often the shard is loaded anew in between, and however its records are committed: rests are only remembered.
"""

from collections import Counter
from typing import Any

import pytest
from builders import OWNER, POOL, QUOTE, STRANGER, ToyWatcher, policy, started
from depth import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from quiet_stories import BANDS, BETA, CHAIN, TOLD, tell
from uptime import DOWN, FEED, UP, answer, by_the_sequencer

from pipeline.advance import block
from pipeline.advance.books import judge_book
from pipeline.drive import drive
from pipeline.messages.events import BlockSeen
from pipeline.messages.policy import TokenSpec
from pipeline.messages.prices import Asset, FeedPrice, MeanPath, Reference
from pipeline.messages.read_values import FeedRead
from pipeline.state.policies import policies
from pipeline.state.resting_books import Rests
from pipeline.state.shard import Shard

RESTED: Counter[str] = Counter()


def told(
    watcher: ToyWatcher, *, rest: bool = True, loaded_at: frozenset[int] = frozenset()
) -> tuple[list[Any], dict[str, Any]]:
    """Fold the log, the shard loaded anew from what it has committed before some of the records."""
    stored: dict[str, Any] = {}
    shard, said = Shard(0), []

    def counted(context: Any, tracked: Any) -> Any:
        RESTED["looked at"] += 1
        return judge_book(context, tracked)

    with pytest.MonkeyPatch.context() as patched:
        if rest:
            patched.setattr(block, "judge_book", counted)
        else:
            patched.setattr(Rests, "begin", lambda *_: None)
        for offset, event in enumerate(watcher.log):
            if offset in loaded_at:
                stored = {key: value for key, value in (stored | shard.tables.changes()).items() if value}
                shard = Shard(0, stored)
            said.append(drive(shard, [event]))
            if rest and isinstance(event, BlockSeen):
                RESTED["blocks of books"] += len(policies(shard.tables))
    return said, dict(shard.tables.entries())


def outputs(watcher: ToyWatcher) -> list[Any]:
    return [output for said in told(watcher)[0] for output in said]


def compare(watcher: ToyWatcher, *loaded_at: int) -> None:
    rested = told(watcher)
    assert_same(rested, told(watcher, rest=False))
    if loaded_at:
        assert_same(rested, told(watcher, loaded_at=frozenset(each % len(watcher.log) for each in loaded_at)))


def assert_same(one: Any, other: Any) -> None:
    for offset, (ours, theirs) in enumerate(zip(one[0], other[0], strict=True)):
        assert ours == theirs, offset
    assert one[1] == other[1]


acts = st.lists(st.integers(0, 17), min_size=4, max_size=20)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2**32),
    acts,
    st.sampled_from(["dry-run", "live", "watch"]),
    st.lists(st.integers(0, 10**6), max_size=4),
)
def test_with_and_without_rests_and_loaded_anew_a_log_leads_to_the_same(seed, story, mode, loaded_at):
    watcher = started(seed, policy(chain=CHAIN, mode=mode))
    watcher.coins_change = False
    for act in story:
        tell(watcher, act)
    compare(watcher, *loaded_at)


said_of_the_sequencer = st.tuples(st.sampled_from([UP, UP, DOWN, 2, None]), st.integers(-40, 200))


def story_with_the_sequencer(
    watcher: ToyWatcher, story: list[tuple[int, int, tuple[int | None, int]]]
) -> None:
    """Let the feed answer otherwise, then something happen, then some quiet blocks pass."""
    watcher.coins_change = False
    answer(watcher, UP)
    for act, blocks, (says, ago_s) in story:
        if says is None:
            watcher.feeds.pop(FEED, None)
        else:
            answer(watcher, says, ago_s)
        tell(watcher, act)
        for _ in range(blocks):
            watcher.block(0)


QUIET_ACTS = [0, 3, 4, 5, 6, 7, 8, 14]


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.sampled_from(QUIET_ACTS), st.integers(0, 20), said_of_the_sequencer), max_size=8),
    st.sampled_from(["dry-run", "live"]),
    st.lists(st.integers(0, 10**6), max_size=4),
)
def test_a_book_that_rests_notices_what_its_sequencer_does(seed, story, mode, loaded_at):
    chain = replace(CHAIN, report_every_blocks=1_000)
    watcher = started(seed, by_the_sequencer(policy(chain=chain, mode=mode, strategy=BANDS[0])))
    story_with_the_sequencer(watcher, story)
    compare(watcher, *loaded_at)


def test_the_end_of_a_grace_period_is_noticed_by_the_clock_alone_by_a_book_that_rests():
    RESTED.clear()
    chain = replace(CHAIN, report_every_blocks=1_000)
    watcher = started(7, by_the_sequencer(policy(chain=chain, strategy=BANDS[0]), grace_s=360))
    story_with_the_sequencer(watcher, [(5, 0, (UP, 0)), (0, 50, (UP, 12))])
    compare(watcher)
    assert RESTED["blocks of books"] - RESTED["looked at"] > 15
    said = [getattr(output, "reason", type(output).__name__) for output in outputs(watcher)]
    assert {"sequencer_grace", "RebalanceProposed"} <= set(said)


def test_the_stories_rest_and_wake():
    RESTED.clear()
    TOLD.clear()
    for act in range(18):
        for band in (11, 12, 13):
            watcher = started(act, policy(chain=CHAIN))
            watcher.coins_change = False
            for each in (band, 9, 0, 0, 0, act, 0, 0, act, 0, 0, 6, 0, 0, 5, 0, 0, 0, 17, 0, 0):
                tell(watcher, each)
            compare(watcher, act)
    assert TOLD["dry-runs"] > 10
    assert RESTED["blocks of books"] - RESTED["looked at"] > 300
    assert RESTED["looked at"] > 300


def test_a_quiet_book_rests_until_it_is_due():
    RESTED.clear()
    watcher = started(7, policy(chain=CHAIN, strategy=BANDS[2]))
    watcher.coins_change = False
    for _ in range(30):
        watcher.block(0)
    compare(watcher)
    assert RESTED["blocks of books"] - RESTED["looked at"] > 20
    assert RESTED["looked at"] >= 6, "a refusal is said again every five blocks"


@pytest.mark.parametrize(("owner", "wakes"), [(OWNER, "alpha"), (STRANGER, "beta")])
def test_what_an_nft_pays_or_gives_up_ends_the_rest_of_its_owners_book_alone(owner: str, wakes: str):
    chain = replace(CHAIN, report_every_blocks=1_000)
    watcher = started(7, policy(chain=chain, strategy=BANDS[2]))
    watcher.coins_change = False
    watcher.set_policy(policy(**{**BETA, "chain": chain, "strategy": BANDS[2]}))
    watcher.read_wanted()
    shard, looked_at = Shard(0), Counter[str]()

    def counted(context: Any, tracked: Any) -> Any:
        looked_at[context.policy.book] += 1
        return judge_book(context, tracked)

    for _ in range(12):
        watcher.block(0)
    drive(shard, watcher.log)
    assert {policy.book for policy in policies(shard.tables)} == {"alpha", "beta"}
    assert not shard.rests.awake()
    begin = shard.cursor + 1
    token_id = next(
        number for number, nft in watcher.chain.nfts.items() if nft.owner == owner and nft.liquidity
    )
    watcher.chain.mine(0)
    watcher.chain.decrease(token_id, watcher.chain.nfts[token_id].liquidity // 10**6)
    watcher.tell()
    watcher.chain.mine(0)
    watcher.chain.collect(token_id)
    watcher.tell()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(block, "judge_book", counted)
        drive(shard, watcher.log[begin:])
    assert looked_at.keys() == {wakes}
    compare(watcher)


def test_liquidity_out_of_range_is_noticed_by_the_clock_alone():
    watcher = started(7, policy(chain=replace(CHAIN, report_every_blocks=1_000), strategy=BANDS[2]))
    watcher.coins_change = False
    tell(watcher, 5)
    for _ in range(8):
        watcher.block(0)
    compare(watcher)
    said = [type(output).__name__ for output in outputs(watcher)]
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
    said = [getattr(output, "reason", type(output).__name__) for output in outputs(watcher)]
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
    assert "price_too_old" in [getattr(output, "reason", "") for output in outputs(watcher)]
