"""An error of one item stays local: it keeps its former value, its books decline, and the others go on."""

import msgspec
import pytest
from builders import (
    BASE,
    MANAGER,
    OTHER_POOL,
    OWNER,
    POOL,
    STRANGER,
    ToyWatcher,
    policy,
    started,
    topic,
    word,
)

from pipeline.advance import advance
from pipeline.drive import drive
from pipeline.follow.quarantine import quarantined
from pipeline.messages.base import RawLog
from pipeline.messages.decisions import (
    ChecksSkipped,
    Declined,
    PoolDrifted,
    Quarantined,
    Released,
    ShardHalted,
)
from pipeline.messages.entries import Quarantine
from pipeline.messages.events import BlockSeen, Paused, PolicySet, Resumed
from pipeline.messages.views import BookView
from pipeline.state.shard import Shard
from pipeline.venues.uniswap_v3 import BURN_TOPIC, MINT_TOPIC, SWAP_TOPIC
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, Pool
from pipeline.venues.wallet.forms import Balance
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC


class Told:
    """A shard and what it said, record by record."""

    def __init__(self, seed: int = 5) -> None:
        self.watcher: ToyWatcher = started(seed)
        self.shard = Shard(0)
        self.catch_up()

    @property
    def offset(self) -> int:
        return self.shard.cursor + 1

    def catch_up(self) -> list[object]:
        return list(drive(self.shard, self.watcher.log[self.offset :]))

    def block(self, *extra: RawLog) -> list[object]:
        """Tell a block with a swap, and with logs that no honest chain has."""
        self.watcher.chain.mine(0)
        self.watcher.chain.swap(10**15, down=True)
        at = len(self.watcher.chain.logs)
        self.watcher.chain.logs += [
            msgspec.structs.replace(log, log_index=at + i) for i, log in enumerate(extra)
        ]
        self.watcher.tell()
        return self.catch_up()


def log(emitter: str, topics: list[str], *words: int) -> RawLog:
    return RawLog(
        address=emitter,
        topics=tuple(topics),
        data="0x" + "".join(word(w) for w in words),
        log_index=0,
        transaction_hash=topic(1),
        transaction_index=0,
    )


def swap(price_x96: int, tick: int, amount0: int = 10**15, amount1: int = -(10**15)) -> RawLog:
    topics = [SWAP_TOPIC, topic(STRANGER), topic(STRANGER)]
    return log(POOL, topics, amount0, amount1, price_x96, 10**21, tick)


WRONG_LOGS = {
    "a price beyond the lowest": swap(1, -887272),
    "a price of nothing": swap(0, 0),
    "a tick that no price has": swap(2**96, 887273),
    "amounts off the curve": swap(2**96 - 10**20, -1),
    "amounts of one sign": swap(2**96, 0, 5, 5),
    "a swap cut short": log(POOL, [SWAP_TOPIC, topic(STRANGER), topic(STRANGER)], 1, 2),
    "a swap without topics": log(POOL, [SWAP_TOPIC], 1, 2, 3, 4, 5),
    "a burn of what is not there": log(
        POOL, [BURN_TOPIC, topic(STRANGER), topic(-1000), topic(1000)], 2**127, 0, 0
    ),
    "a mint off the spacing": log(
        POOL, [MINT_TOPIC, topic(STRANGER), topic(-7), topic(7)], int(STRANGER, 16), 10, 1, 1
    ),
}


@pytest.mark.parametrize("wrong", WRONG_LOGS)
def test_a_wrong_log_quarantines_its_pool_and_nothing_else(wrong):
    told = Told()
    before = told.shard.tables.need(f"pool/{POOL}", Pool)
    ticks = dict(told.shard.tables.group(f"tick/{POOL}", msgspec.Struct))
    nfts = dict(told.shard.tables.group(f"position/{MANAGER}", NftPosition))
    said = told.block(WRONG_LOGS[wrong])
    assert [o.item for o in said if isinstance(o, Quarantined)] == [f"pool/{POOL}"]
    assert told.shard.tables.need(f"pool/{POOL}", Pool) == before
    assert dict(told.shard.tables.group(f"tick/{POOL}", msgspec.Struct)) == ticks
    assert ticks
    assert dict(told.shard.tables.group(f"position/{MANAGER}", NftPosition)) == nfts
    assert [o.gate for o in said if isinstance(o, Declined)] == ["quarantine"]
    assert not [o for o in said if isinstance(o, BookView)]
    balance = told.shard.tables.need(f"balance/{OWNER}/{BASE}", Balance)
    assert balance.amount == told.watcher.chain.balances[OWNER, BASE], "tokens go on"
    told.block()
    assert told.shard.tables.need(f"pool/{POOL}", Pool) == before, "and it stays there"


def test_an_operators_word_and_a_read_end_a_quarantine():
    told = Told()
    told.block(WRONG_LOGS["amounts off the curve"])
    told.block()
    told.watcher.append(Resumed(scope=f"pool/{POOL}", reason="looked at", by="me"))
    told.watcher.read_wanted()
    said = told.catch_up()
    assert f"pool/{POOL}" in [o.item for o in said if isinstance(o, Released)]
    assert quarantined(told.shard.tables) == {}
    told.block()
    told.watcher.check()
    said = told.catch_up()
    assert not [o for o in said if isinstance(o, PoolDrifted | Quarantined)]
    assert told.shard.tables.need(f"pool/{POOL}", Pool) == told.watcher.chain.pool.pool()


def test_what_cannot_be_in_quarantine_is_not_resumed():
    """An owner is only read: a command on it must lead neither to a read nor to a release."""
    told = Told()
    told.block()
    told.watcher.append(Resumed(scope=f"owner/{MANAGER}/{OWNER}", reason="looked at", by="me"))
    told.watcher.read_wanted()
    assert not [o for o in told.catch_up() if isinstance(o, Released)]
    assert f"resumed/owner/{MANAGER}/{OWNER}" not in told.shard.tables.entries()


def test_a_repair_that_a_reorg_undoes_is_made_again():
    told = Told()
    told.block(WRONG_LOGS["amounts off the curve"])
    base = told.watcher.fork("again")
    told.block()
    told.watcher.append(Resumed(scope=f"pool/{POOL}", reason="looked at", by="me"))
    told.watcher.read_wanted()
    told.catch_up()
    assert quarantined(told.shard.tables) == {}
    told.watcher.revert_to(base)
    told.catch_up()
    assert quarantined(told.shard.tables) == {}, "the word still covers it, and the pool was read once more"
    told.block()
    told.watcher.check()
    assert not [o for o in told.catch_up() if isinstance(o, PoolDrifted)]


def test_a_check_that_differs_quarantines_and_never_repairs():
    told = Told()
    honest = told.watcher.chain.read(f"pool/{POOL}", "check", 1)
    lie = msgspec.structs.replace(honest, state=msgspec.structs.replace(honest.state, growth0_x128=1))
    ours = told.shard.tables.need(f"pool/{POOL}", Pool)
    told.watcher.append(lie)
    said = told.catch_up()
    assert [o.differences for o in said if isinstance(o, PoolDrifted)] == [
        (f"growth0_x128: {ours.growth0_x128}, 1",)
    ]
    assert told.shard.tables.need(f"pool/{POOL}", Pool) == ours
    assert [o.gate for o in told.block() if isinstance(o, Declined)] == ["quarantine"]


@pytest.mark.parametrize(
    ("family", "field"),
    [
        ("position", "liquidity"),
        ("position", "owed0"),
        ("position", "inside1_last_x128"),
        ("pool-position", "liquidity"),
        ("pool-position", "owed1"),
        ("pool-position", "inside0_last_x128"),
    ],
)
def test_a_check_finds_what_the_fold_itself_got_wrong_of_an_nft_or_its_range(family, field):
    told = Told()
    told.watcher.chain.mine(0)
    nft = told.watcher.chain.mint(OWNER, -300, 200, 10**18)
    told.watcher.tell()
    told.catch_up()
    item = f"position/{MANAGER}/{nft}"
    told.watcher.append(told.watcher.chain.read(item, "check", 1))
    assert not told.catch_up(), "what is right is passed over"
    key = item if family == "position" else f"pool-position/{POOL}/{MANAGER}/-300/200"
    entry = told.shard.tables.entries()[key]
    told.shard.tables.put(key, msgspec.structs.replace(entry, **{field: getattr(entry, field) + 1}))
    told.shard.drop_working_copies([f"pool/{POOL}"])
    told.watcher.append(told.watcher.chain.read(item, "check", 1))
    (said,) = [o for o in told.catch_up() if isinstance(o, Quarantined)]
    assert said.item == item
    assert field in said.reason
    assert [o.gate for o in told.block() if isinstance(o, Declined)] == ["quarantine"]


def test_a_checks_quarantine_outlives_a_reorg():
    told = Told()
    base = told.watcher.fork("other")
    told.block()
    honest = told.watcher.chain.read(f"pool/{POOL}", "check", 1)
    told.watcher.append(
        msgspec.structs.replace(honest, state=msgspec.structs.replace(honest.state, growth0_x128=1))
    )
    told.watcher.revert_to(base)
    told.catch_up()
    assert list(quarantined(told.shard.tables)) == [f"pool/{POOL}"]


def test_a_check_at_another_block_is_no_drift_but_three_are_an_alert():
    told = Told()
    old = told.watcher.chain.read(f"pool/{POOL}", "check", 1)
    told.block()
    for expected in (0, 0, 1, 0):
        told.watcher.append(old)
        said = told.catch_up()
        assert len([o for o in said if isinstance(o, ChecksSkipped)]) == expected
        assert not [o for o in said if isinstance(o, PoolDrifted)]


def test_a_foreign_pools_logs_are_nothing_to_this_shard():
    told = Told()
    before = told.shard.tables.need(f"pool/{POOL}", Pool)
    alien = msgspec.structs.replace(WRONG_LOGS["a price of nothing"], address=OTHER_POOL)
    told.watcher.chain.mine(0)
    event = next(e for e in reversed(told.watcher.log) if not isinstance(e, PolicySet))
    forged = BlockSeen(term=1, block=told.watcher.chain.head, base_fee_wei=1, logs=(alien,), reads=())
    said = advance(told.shard, told.offset, forged)
    assert told.shard.tables.head == told.watcher.chain.head != event.block
    assert not [o for o in said if isinstance(o, Quarantined)]
    assert told.shard.tables.need(f"pool/{POOL}", Pool) == before


def test_a_transfer_of_more_than_there_is_quarantines_the_balance_alone():
    told = Told()
    steal = log(BASE, [TRANSFER_TOPIC, topic(OWNER), topic(STRANGER)], 10**40)
    said = told.block(steal)
    assert [o.item for o in said if isinstance(o, Quarantined)] == [f"balance/{OWNER}/{BASE}"]
    assert told.shard.tables.need(f"pool/{POOL}", Pool)
    assert [o.gate for o in said if isinstance(o, Declined)] == ["quarantine"]


def test_more_quarantines_than_could_be_chance_halt_the_shard():
    told = Told()
    book = policy()
    strict = msgspec.structs.replace(
        book, chain=msgspec.structs.replace(book.chain, max_quarantined=0), policy_version="strict"
    )
    told.watcher.append(PolicySet(policy=strict))
    said = told.block(WRONG_LOGS["a price of nothing"])
    assert [o for o in said if isinstance(o, ShardHalted)]
    told.watcher.append(Resumed(scope="shard", reason="looked at", by="me"))
    assert told.shard.tables.head is not None
    told.catch_up()
    assert told.shard.tables.head is None, "it begins anew"
    told.watcher.read_wanted()
    told.catch_up()
    assert told.block()


def test_a_pause_declines_and_its_end_decides_again():
    told = Told()
    told.watcher.append(Paused(scope="book/alpha", reason="lunch", by="me"))
    said = told.block()
    assert [(o.gate, o.item) for o in said if isinstance(o, Declined)] == [("pause", "book/alpha")]
    told.watcher.append(Resumed(scope="book/alpha", reason="back", by="me"))
    assert [o.gate for o in told.block() if isinstance(o, Declined)] != ["pause"]


def test_a_quarantine_by_a_wrong_file_ends_with_the_right_one_and_stays_ended_on_another_branch():
    told = Told()
    told.watcher.append(PolicySet(policy=policy(base=STRANGER)))
    said = [*told.catch_up(), *told.block()]
    assert "book/alpha" in [o.item for o in said if isinstance(o, Quarantined)]
    base = told.watcher.fork("again")
    told.block()
    told.watcher.append(PolicySet(policy=policy()))
    said = told.catch_up()
    assert [o.item for o in said if isinstance(o, Released)] == ["book/alpha"]
    assert quarantined(told.shard.tables) == {}
    said = told.block()
    assert not [o for o in said if isinstance(o, Quarantined)]
    told.watcher.revert_to(base)
    told.catch_up()
    assert quarantined(told.shard.tables) == {}, "no reorg brings back what the wrong file led to"


def test_a_pool_that_no_file_names_any_more_is_released():
    told = Told()
    told.watcher.append(PolicySet(policy=policy(pools=(POOL, OTHER_POOL))))
    told.catch_up()
    told.shard.tables.put(
        f"quarantine/pool/{OTHER_POOL}", Quarantine(reason="no pool", at_block=1, resumed=0)
    )
    told.watcher.append(PolicySet(policy=policy()))
    assert [o.item for o in told.catch_up() if isinstance(o, Released)] == [f"pool/{OTHER_POOL}"]
