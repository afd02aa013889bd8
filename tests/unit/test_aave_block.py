"""Aave's logs one by one: their effect on an account, impossible ones, those that require a read, and those that are ignored."""

import pytest
from builders import BASE, OWNER, QUOTE, STRANGER, policy, topic, word
from msgspec.structs import replace

from pipeline import keys
from pipeline.drive import drive
from pipeline.follow.decode import decode
from pipeline.follow.log_filter import log_filter, select
from pipeline.follow.quarantine import quarantined
from pipeline.follow.quiet_runs import seen_of
from pipeline.follow.track import FailedItems, track
from pipeline.messages.base import BlockRef, RawLog
from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen, BlocksPassed, PassedBlock, WriterStarted
from pipeline.messages.read_values import CallRead
from pipeline.state.shard import Shard
from pipeline.units import Address, BlockNumber, Hash, LogIndex, Seconds, ShardId, Term, Wei
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3 import logs
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveMarket,
    AavePosition,
    AaveReserve,
    AaveTold,
    ReserveTokens,
    aave_account,
    aave_market,
    aave_reserve,
    aave_told,
)
from pipeline.venues.registry import venue_named, venues

POOL, CONFIGURATOR, ORACLE = (Address(f"0x{n:040x}") for n in (0xAA01, 0xAA02, 0xAA03))
A_BASE, D_BASE, A_QUOTE, D_QUOTE, A_OTHER, D_OTHER = (Address(f"0x{n:040x}") for n in range(0xAB01, 0xAB07))
OTHER = Address("0x" + "0e" * 20)
RAY = 10**27
NOW_S = Seconds(1_000)
ACCOUNT, BASE_RESERVE, QUOTE_RESERVE = (
    aave_account(POOL, OWNER),
    aave_reserve(POOL, BASE),
    aave_reserve(POOL, QUOTE),
)


def followed(revision: int = 1) -> Shard:
    """A shard of a book whose owner has 100 scaled of the quote as collateral, and owes 10 scaled of the base."""
    usual = policy()
    contracts = tuple(
        VenueContract(role=role, address=address)
        for role, address in (("pool", POOL), ("configurator", CONFIGURATOR), ("oracle", ORACLE))
    )
    spec = VenueSpec(name="lending", kind="aave_v3", contracts=contracts)
    shard = Shard(ShardId(0))
    shard.tables.begin(block_ref(1))
    put = shard.tables.put
    put(keys.policy(usual.book), replace(usual, chain=replace(usual.chain, venues=(spec,))))
    reserves = (
        ReserveTokens(asset=BASE, reserve_id=0, a_token=A_BASE, debt_token=D_BASE),
        ReserveTokens(asset=QUOTE, reserve_id=1, a_token=A_QUOTE, debt_token=D_QUOTE),
        ReserveTokens(asset=OTHER, reserve_id=2, a_token=A_OTHER, debt_token=D_OTHER),
    )
    put(aave_market(POOL), AaveMarket(revision=revision, reserves=reserves))
    for item in (BASE_RESERVE, QUOTE_RESERVE):
        put(item, reserve())
    positions = (
        AavePosition(asset=BASE, scaled_debt=10),
        AavePosition(asset=QUOTE, scaled_collateral=100),
    )
    put(ACCOUNT, AaveAccount(flags=0b1001, positions=tuple(sorted(positions, key=lambda each: each.asset))))
    for item in (aave_market(POOL), ACCOUNT, BASE_RESERVE, QUOTE_RESERVE):
        put(keys.route(item), Route(observed_at_block=BlockNumber(1)))
    return shard


def reserve() -> AaveReserve:
    return AaveReserve(
        configuration=8_000 | 8_500 << 16 | 18 << 48,
        liquidity_index_ray=RAY,
        liquidity_rate_ray=0,
        borrow_index_ray=RAY,
        borrow_rate_ray=0,
        updated_at_s=Seconds(0),
    )


def block_ref(number: int) -> BlockRef:
    return BlockRef(
        number=BlockNumber(number),
        hash=Hash(f"0x{number}"),
        parent_hash=Hash(f"0x{number - 1}"),
        timestamp_s=NOW_S,
    )


def log(address: Address, name: str, *indexed: str | int, data: tuple[int, ...] = ()) -> RawLog:
    return RawLog(
        address=address,
        topics=(name, *(topic(each) for each in indexed)),
        data="0x" + "".join(word(each).removeprefix("0x") for each in data),
        log_index=LogIndex(0),
        transaction_hash=Hash("0x" + "11" * 32),
        transaction_index=0,
    )


def minted(token: Address, owner: str, value: int, increase: int = 0, index: int = RAY) -> RawLog:
    return log(token, logs.MINT, STRANGER, owner, data=(value, increase, index))


def burned(token: Address, owner: str, value: int, increase: int = 0, index: int = RAY) -> RawLog:
    return log(token, logs.BURN, owner, owner, data=(value, increase, index))


def take(shard: Shard, *of_block: RawLog, prices: tuple[tuple[Address, int], ...] = ()) -> BlockSeen:
    block = block_ref(2)
    reads = tuple(
        CallRead(to=ORACLE, data="0xb3596f07" + topic(asset).removeprefix("0x"), value=price)
        for asset, price in prices
    )
    event = BlockSeen(term=Term(1), block=block, base_fee_wei=Wei(1), logs=of_block, reads=reads)
    items = FailedItems(shard)
    blocks = [venue.begin_block(shard, items, event) for venue in venues(shard.tables)]
    track(shard, event, blocks, items, decode(of_block, blocks))
    return event


def account(shard: Shard) -> AaveAccount:
    return shard.tables.need(ACCOUNT, AaveAccount)


def scaled(shard: Shard) -> dict[Address, tuple[int, int]]:
    return {each.asset: (each.scaled_collateral, each.scaled_debt) for each in account(shard).positions}


# ------------------------------------------------------------------ what logs change
def test_supplies_borrows_repays_and_withdrawals_move_scaled_balances() -> None:
    shard = followed()
    take(
        shard,
        minted(A_QUOTE, OWNER, 50),
        minted(D_BASE, OWNER, 7),
        burned(A_QUOTE, OWNER, 30),
        burned(D_BASE, OWNER, 2),
    )
    assert scaled(shard) == {QUOTE: (120, 0), BASE: (0, 15)}


def test_a_log_of_interest_alone_changes_nothing_and_a_mint_may_be_a_burn() -> None:
    shard = followed()
    take(shard, minted(A_QUOTE, OWNER, 5, 5))
    assert scaled(shard)[QUOTE] == (100, 0)
    take(shard, minted(A_QUOTE, OWNER, 2, 5))
    assert scaled(shard)[QUOTE] == (97, 0)


def test_a_debt_that_is_repaid_clears_its_flag_and_leaves_no_position() -> None:
    shard = followed()
    take(shard, burned(D_BASE, OWNER, 10))
    assert scaled(shard) == {QUOTE: (100, 0)}
    assert not bits.is_borrowing(account(shard).flags, 0)
    take(shard, minted(D_BASE, OWNER, 3))
    assert bits.is_borrowing(account(shard).flags, 0)


def test_a_transfer_moves_what_it_says_scaled() -> None:
    shard = followed()
    take(shard, log(A_QUOTE, logs.BALANCE_TRANSFER, OWNER, STRANGER, data=(40, 2 * RAY)))
    assert scaled(shard)[QUOTE] == (60, 0)
    take(shard, log(A_QUOTE, logs.BALANCE_TRANSFER, OWNER, OWNER, data=(40, 2 * RAY)))
    assert scaled(shard)[QUOTE] == (60, 0)


def test_collateral_is_switched_on_and_off() -> None:
    shard = followed()
    take(shard, log(POOL, logs.COLLATERAL_DISABLED, QUOTE, OWNER))
    assert account(shard).flags == 0b0001
    take(shard, log(POOL, logs.COLLATERAL_ENABLED, BASE, OWNER))
    assert account(shard).flags == 0b0011


def test_a_reserves_update_is_kept_with_the_blocks_time() -> None:
    shard = followed()
    take(shard, log(POOL, logs.RESERVE_DATA_UPDATED, BASE, data=(1, 2, 3, 4 * RAY, 5 * RAY)))
    now = shard.tables.need(BASE_RESERVE, AaveReserve)
    assert (now.liquidity_rate_ray, now.borrow_rate_ray) == (1, 3)
    assert (now.liquidity_index_ray, now.borrow_index_ray, now.updated_at_s) == (4 * RAY, 5 * RAY, NOW_S)
    assert now.configuration == reserve().configuration


def test_prices_and_time_are_kept_while_the_account_has_anything() -> None:
    shard = followed()
    take(shard, prices=((BASE, 7), (QUOTE, 8), (OTHER, 9)))
    told = shard.tables.need(aave_told(POOL), AaveTold)
    assert (told.at_s, {each.asset: each.price for each in told.prices}) == (NOW_S, {BASE: 7, QUOTE: 8})
    shard.tables.put(ACCOUNT, AaveAccount(flags=0, positions=()))
    take(shard, prices=((BASE, 7),))
    assert shard.tables.find(aave_told(POOL), AaveTold) is None


def test_a_price_that_a_block_does_not_tell_leaves_the_account_untold() -> None:
    shard = followed()
    (book,) = [value for key, value in shard.tables.entries().items() if key.startswith("policy/")]
    venue = venue_named(book.chain, "lending")
    take(shard, prices=((BASE, 7), (QUOTE, 8)))
    assert [*venue.unreported_items(shard, book)] == []
    take(shard, prices=((BASE, 7),))
    assert [*venue.unreported_items(shard, book)] == [ACCOUNT]


# ------------------------------------------------------------------ what cannot be true, or be read
@pytest.mark.parametrize(
    ("wrong", "stopped"),
    [
        (burned(D_BASE, OWNER, 11), ACCOUNT),
        (burned(A_QUOTE, OWNER, 101), ACCOUNT),
        (log(A_QUOTE, logs.BALANCE_TRANSFER, OWNER, STRANGER, data=(101, RAY)), ACCOUNT),
        (log(A_QUOTE, logs.MINT, STRANGER, OWNER, data=(1,)), ACCOUNT),
        (log(POOL, logs.BORROW, BASE, OWNER, 0, data=(0, 5, 1, 6)), ACCOUNT),
        (log(POOL, logs.RATE_MODE_SWAPPED, BASE, OWNER, data=(2,)), ACCOUNT),
        (log(POOL, logs.COLLATERAL_ENABLED, BASE, OWNER, data=(1,)), ACCOUNT),
        (log(POOL, logs.RESERVE_DATA_UPDATED, BASE, data=(1, 2)), BASE_RESERVE),
        (log(POOL, logs.RESERVE_DATA_UPDATED, BASE, data=(1, 2, 3, 4, 1 << 128)), BASE_RESERVE),
    ],
)
@pytest.mark.parametrize("revision", [1, 10])
def test_what_cannot_be_true_stops_its_item_alone_and_leaves_it_as_it_was(
    wrong: RawLog, stopped: str, revision: int
) -> None:
    shard = followed(revision)
    before = dict(shard.tables.entries())
    take(shard, wrong)
    assert {*quarantined(shard.tables)} == {stopped}
    assert {key: shard.tables.entries()[key] for key in (ACCOUNT, BASE_RESERVE, QUOTE_RESERVE)} == {
        key: before[key] for key in (ACCOUNT, BASE_RESERVE, QUOTE_RESERVE)
    }


def test_a_debt_at_a_variable_rate_is_no_trouble() -> None:
    shard = followed()
    take(
        shard,
        log(POOL, logs.BORROW, BASE, OWNER, 0, data=(0, 5, 2, 6)),
        log(POOL, logs.RATE_MODE_SWAPPED, BASE, OWNER, data=(1,)),
    )
    assert quarantined(shard.tables) == {}


# ------------------------------------------------------------------ what is followed and what is read again
def unread(shard: Shard, *of_block: RawLog) -> set[str]:
    """The items that must be read after a block."""
    event = take(shard, *of_block)
    for venue in venues(shard.tables):
        venue.follow_logs(shard.tables, event)
    routes = shard.tables.group(keys.route.under("aave-reserve"), Route)
    named = (
        (keys.route(item), shard.tables.need(keys.route(item), Route))
        for item in (aave_market(POOL), ACCOUNT)
    )
    return {keys.item_of(key) for key, route in (*routes, *named) if route.observed_at_block is None}


ALL = {aave_market(POOL), ACCOUNT, BASE_RESERVE, QUOTE_RESERVE}
LIQUIDATED = logs.LIQUIDATION_CALL, QUOTE, BASE, STRANGER


@pytest.mark.parametrize(
    ("said", "again"),
    [
        (log(CONFIGURATOR, topic(1), BASE), ALL),
        (log(CONFIGURATOR, topic(2), data=(1,)), ALL),
        (log(POOL, logs.UPGRADED, STRANGER), ALL),
        (log(D_QUOTE, logs.UPGRADED, STRANGER), ALL),
        (log(POOL, logs.EMODE_SET, OWNER, data=(1,)), {ACCOUNT}),
        (log(POOL, *LIQUIDATED, data=(1, 2, 3, 1)), {QUOTE_RESERVE}),
        (log(POOL, *LIQUIDATED, data=(1, 2, 3, 0)), set()),
        (minted(A_OTHER, OWNER, 5), {aave_reserve(POOL, OTHER)}),
        (minted(A_QUOTE, OWNER, 5), set()),
    ],
)
def test_what_no_log_tells_is_read_again_at_its_block(said: RawLog, again: set[str]) -> None:
    assert unread(followed(), said) == again


def test_a_log_without_topics_stops_nothing() -> None:
    shard = followed()
    bare = [replace(log(each, ""), topics=()) for each in (POOL, A_QUOTE)]
    assert unread(shard, *bare) == set()
    assert quarantined(shard.tables) == {}
    mine = log_filter(shard.tables)
    assert mine is not None
    assert select(mine, bare) == ()
    assert mine.emitters() == frozenset().union(*(words.addresses for words in mine.words()))
    assert not mine.brings_items(bare[:1])


def test_logs_of_strangers_and_of_what_nobody_uses_are_left_alone() -> None:
    shard = followed()
    ours = (
        minted(A_QUOTE, OWNER, 1),
        minted(A_OTHER, OWNER, 1),
        log(A_QUOTE, logs.BALANCE_TRANSFER, STRANGER, OWNER, data=(1, RAY)),
        log(POOL, logs.RESERVE_DATA_UPDATED, BASE, data=(1, 2, 3, 4, 5)),
        log(POOL, logs.COLLATERAL_ENABLED, OTHER, OWNER),
        log(POOL, *LIQUIDATED, data=(1, 2, 3, 1)),
        log(CONFIGURATOR, topic(1), BASE),
        log(CONFIGURATOR, topic(2)),
    )
    others = (
        minted(A_QUOTE, STRANGER, 1),
        log(POOL, logs.RESERVE_DATA_UPDATED, OTHER, data=(1, 2, 3, 4, 5)),
        log(POOL, logs.COLLATERAL_ENABLED, BASE, STRANGER),
        log(POOL, logs.EMODE_SET, STRANGER, data=(1,)),
        log(POOL, *LIQUIDATED, data=(1, 2, 3, 0)),
        log(POOL, logs.LIQUIDATION_CALL, OTHER, BASE, STRANGER, data=(1, 2, 3, 1)),
        log(CONFIGURATOR, topic(1), OTHER),
        log(A_QUOTE, topic(3), OWNER),
    )
    mine = log_filter(shard.tables)
    assert mine is not None
    assert select(mine, (*ours, *others)) == ours
    assert mine.brings_items(ours)
    assert not mine.brings_items(ours[3:4])


def test_within_a_run_of_quiet_blocks_each_ones_time_is_kept():
    """Interest grows with it. The book declines all along, for nothing else of it was read."""
    shard, alone = followed(), followed()
    numbers = range(2, 30)
    run = BlocksPassed(
        term=Term(1),
        first=BlockNumber(2),
        parent_hash=block_ref(1).hash,
        blocks=tuple(
            PassedBlock(hash=block_ref(each).hash, timestamp_s=Seconds(NOW_S + each), base_fee_wei=Wei(1))
            for each in numbers
        ),
        native_checksum="0" * 32,
    )
    for each in (shard, alone):
        drive(each, [WriterStarted(term=Term(1), instance="w")])
    drive(shard, [run])
    drive(alone, [seen_of(run, place) for place in range(len(numbers))])
    assert shard.tables.need(aave_told(POOL), AaveTold).at_s == NOW_S + numbers[-1]
    cursors = {keys.CURSOR: None}
    assert {**shard.tables.entries(), **cursors} == {**alone.tables.entries(), **cursors}
    assert shard.tables.overwritten() == alone.tables.overwritten()
