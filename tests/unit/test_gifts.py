"""Anything that somebody sends to a book's owner is published, and otherwise ignored by the book."""

import pytest
from builders import MANAGER, OWNER, POOL, STRANGER, policy, started
from desk import Desk, live

from pipeline.drive import drive
from pipeline.follow.due_reads import wanted
from pipeline.messages.decisions import Declined, PlanClosed, PlanOpened, PositionSetApart
from pipeline.messages.entries import Route
from pipeline.messages.events import PositionAdopted, Resumed
from pipeline.messages.outcomes import Done
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.shard import Shard
from pipeline.venues.uniswap_v3.act.drafts import (
    WITHDRAW_GAS,
    draft,
    gas_of_plan,
    transactions_of_plan,
)
from pipeline.venues.uniswap_v3.act.goal import liquidity_to_move
from pipeline.venues.uniswap_v3.act.market import market_at_spot
from pipeline.venues.uniswap_v3.assess import own_positions
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.routes import set_apart

DUST = 60
HERE = acting_deployment(live())


def give(desk, count=1):
    """Let a stranger mint NFTs to the owner, in a block of their own."""
    chain = desk.watcher.chain
    chain.mine(0)
    ids = [chain.mint(OWNER, -500, 500, 10**12 + n, sender=STRANGER) for n in range(count)]
    desk.watcher.tell()
    return ids, desk.take()


def item(token_id):
    return f"position/{MANAGER}/{token_id}"


def adopted(desk, token_id, *, ours=True):
    desk.watcher.append(PositionAdopted(item=item(token_id), ours=ours, reason="a test", by="me"))
    desk.watcher.read_wanted()
    return desk.take()


def until_closed(desk, blocks=30):
    for _ in range(blocks):
        desk.block()
        if desk.said(PlanClosed):
            return desk.said(PlanClosed)[-1].outcome
    raise AssertionError("the plan has not ended")


def test_sixty_dust_nfts_do_not_keep_a_book_from_acting():
    desk, plain = Desk(live()), Desk(live())
    ids, said = give(desk, DUST)
    give(plain, 0)
    assert [o.item for o in said if isinstance(o, PositionSetApart)] == sorted(map(item, ids))
    assert not [o for o in said if isinstance(o, Declined)], "nothing of them is waited for"
    held = [position for position in desk.watcher.chain.nfts.values() if position.liquidity < 10**13]
    for each in (desk, plain):
        each.block(push=True)
        assert until_closed(each) == Done()
    assert [i.call.gas_limit for i in desk.signer.done] == [i.call.gas_limit for i in plain.signer.done]
    assert [n for n in held if n.liquidity] == held, "nothing is withdrawn of them, and nothing paid for it"
    assert len(set_apart(desk.shard.tables, live(), HERE)) == DUST
    assert len(desk.liquid()) == 1, "none of them was even read"


def test_an_nft_that_was_set_apart_is_the_books_once_it_is_adopted_and_not_once_it_is_left_out():
    desk = Desk(live())
    (token_id,), _ = give(desk)
    assert item(token_id) not in dict(own_positions(desk.shard, live()))
    assert not [want for want in wanted(desk.watcher.routes) if want.item == item(token_id)]
    adopted(desk, token_id)
    assert item(token_id) in dict(own_positions(desk.shard, live()))
    assert token_id in liquidity_to_move(desk.shard, live())
    adopted(desk, token_id, ours=False)
    assert item(token_id) not in dict(own_positions(desk.shard, live()))
    assert set_apart(desk.shard.tables, live(), HERE) == [item(token_id)]
    desk.block()
    adopted(desk, token_id)
    desk.watcher.append(desk.watcher.chain.read(item(token_id), "check", 1))
    assert not desk.take(), "it was followed meanwhile"


def test_one_of_the_books_own_may_be_left_out():
    desk = Desk(live())
    (mine,) = (key for key, _ in own_positions(desk.shard, live()))
    adopted(desk, int(mine.rpartition("/")[2]), ours=False)
    assert not list(own_positions(desk.shard, live()))


def test_what_the_owner_mints_or_has_at_the_beginning_is_the_books():
    watcher = started(5, live())
    watcher.chain.mine(0)
    minted = watcher.chain.mint(OWNER, -300, 200, 10**18)
    watcher.tell()
    shard = Shard(0)
    drive(shard, watcher.log)
    had = {number for number, nft in watcher.chain.nfts.items() if nft.owner == OWNER}
    assert {int(key.rpartition("/")[2]) for key, _ in own_positions(shard, live())} == had
    assert minted in had


def test_what_is_transferred_by_somebody_else_is_set_apart():
    desk = Desk(live())
    theirs = next(number for number, nft in desk.watcher.chain.nfts.items() if nft.owner == STRANGER)
    desk.watcher.chain.mine(0)
    desk.watcher.chain.transfer(theirs, OWNER)
    desk.watcher.tell()
    assert [o.item for o in desk.take() if isinstance(o, PositionSetApart)] == [item(theirs)]
    assert desk.watcher.routes.need(f"route/{item(theirs)}", Route).observed_at_block is None


def test_a_shard_that_begins_anew_still_knows_what_was_sent():
    desk = Desk(live())
    (token_id,), _ = give(desk)
    desk.watcher.append(Resumed(scope="shard", reason="anew", by="me"))
    desk.watcher.read_wanted()
    desk.take()
    assert set_apart(desk.shard.tables, live(), HERE) == [item(token_id)]
    assert item(token_id) not in dict(own_positions(desk.shard, live()))


def test_on_another_branch_the_same_number_may_be_an_nft_of_ours():
    desk = Desk(live())
    fork = desk.watcher.fork("other")
    (token_id,), _ = give(desk)
    desk.watcher.revert_to(fork)
    desk.watcher.chain.mine(0)
    assert desk.watcher.chain.mint(OWNER, -300, 200, 10**18) == token_id
    desk.watcher.tell()
    desk.take()
    assert item(token_id) in dict(own_positions(desk.shard, live()))
    assert not set_apart(desk.shard.tables, live(), HERE)


# ------------------------------------------------------------------ many NFTs of ours
def with_many(count):
    watcher = started(5, live(), depth=10**23)
    watcher.chain.mine(0)
    for n in range(count):
        watcher.chain.mint(OWNER, -500, 500 + 10 * (n % 20), 10**14)
    watcher.tell()
    shard = Shard(0)
    drive(shard, watcher.log)
    return watcher, shard


@pytest.mark.parametrize("count", [9, 10, 11, 30])
@pytest.mark.parametrize("data_gas", [0, 600_000])
@pytest.mark.parametrize("most_gas", [5_000_000, 1_600_000])
def test_a_withdrawal_of_many_is_several_transactions_each_of_which_a_signer_takes(count, data_gas, most_gas):
    from msgspec.structs import replace

    from pipeline.messages.signers_limits import SignersLimits
    from pipeline.venues.uniswap_v3.act.range_goal import PoolRange

    _, shard = with_many(count)
    limits = replace(live().limits, signer=SignersLimits(max_gas_limit=most_gas))
    book = live(chain=replace(policy().chain, data_gas=data_gas), limits=limits)
    moved = liquidity_to_move(shard, book)
    goal = PoolRange(pool=POOL, tick_lower=-100, tick_upper=100, withdraw=moved)
    drafts = draft("withdraw", shard, book, goal, market_at_spot(shard, book, 1_700_000_500, 10**9))
    assert all(each.call.gas_limit <= most_gas for each in drafts)
    at_once = (most_gas - data_gas) // WITHDRAW_GAS
    assert len(drafts) == -(-len(moved) // at_once)
    withdrawn = sum(each.call.gas_limit - data_gas for each in drafts) // WITHDRAW_GAS
    assert withdrawn == len(moved)
    others = transactions_of_plan(0, book, swaps=True, approvals=4)
    assert transactions_of_plan(len(moved), book, swaps=True, approvals=4) == len(drafts) + others
    gas = gas_of_plan(len(moved), book, swaps=True, approvals=4) - gas_of_plan(
        0, book, swaps=True, approvals=4
    )
    assert gas == sum(each.call.gas_limit for each in drafts)


def test_a_plan_that_withdraws_in_several_transactions_comes_to_its_end():
    desk = Desk(live())
    desk.watcher.chain.mine(0)
    for n in range(25):
        desk.watcher.chain.mint(OWNER, -50, 60 + 10 * (n % 3), 10**16)
    desk.watcher.tell()
    desk.take()
    desk.block(push=True)
    assert desk.said(PlanOpened)
    withdrawals = [o for o in desk.said(SubmitTransaction) if o.step == "withdraw"]
    assert len(withdrawals) == 3
    assert [o.after for o in withdrawals[1:]] == [o.id.rpartition(".")[2] for o in withdrawals[:-1]]
    assert until_closed(desk) == Done()
    assert len(desk.liquid()) == 1
