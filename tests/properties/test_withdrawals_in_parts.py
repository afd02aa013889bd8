"""A withdrawal in several transactions of which only some are mined: the plan goes on with what it has."""

from collections.abc import Callable

import pytest
from builders import OWNER, QUOTE, STRANGER, ZERO_ADDRESS, ToyChain, versioned
from desk import live
from lifecycle import Lifecycle
from msgspec.structs import replace
from toy_sender import Wants
from toy_signer import whale

from pipeline.messages.decisions import PlanOpened, PlanStalled
from pipeline.messages.entries import BookPath
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Rerange
from pipeline.venues.uniswap_v3.act.withdrawals import WITHDRAW_GAS

AT_ONCE = 2
"""NFTs in one transaction."""
MOST_BLOCKS = 40


def part_is_mined(wide: int) -> tuple[Lifecycle, list[int]]:
    """Make a plan of two or more transactions, mine the first, and return its NFTs."""
    action = Rerange(half_width_log_bps=100, stall_after_s=10_000, on_stall="wait")
    book = live(action=action)
    signer = replace(book.limits.signer, max_gas_limit=AT_ONCE * WITHDRAW_GAS)
    life = Lifecycle(versioned(replace(book, limits=replace(book.limits, signer=signer))))

    def mint(chain: ToyChain) -> None:
        chain.mint(OWNER, -100, 100, 10**18)
        for _ in range(wide):
            chain.mint(OWNER, -5_000, 5_000, 10**17)

    life.block(mint)
    for _ in range(3):
        life.block()
    while not life.is_open:
        life.block(lambda chain: whale(chain, down=True))
    life.block(wants=first_alone(life))
    assert life.mined("withdraw")
    return life, [int(each) for each in life.plan.goal.terms["withdraw"]]


def first_alone(life: Lifecycle) -> Wants:
    """A miner who leaves out all of the plan but its first transaction, and cancellations."""
    first = life.plan.steps[0].intent.rjust(16, "0")
    return lambda attempt: attempt.cancels or attempt.transaction_hash.endswith(first)


def burns(chain: ToyChain, token_id: int) -> None:
    chain.decrease(token_id, chain.nfts[token_id].liquidity)
    chain.collect(token_id)
    chain.transfer(token_id, ZERO_ADDRESS)


def sends_away(chain: ToyChain, token_id: int) -> None:
    chain.transfer(token_id, STRANGER)


@pytest.mark.parametrize("goes", [burns, sends_away])
@pytest.mark.parametrize("gone", [{2}, {3}, {2, 3}])
def test_where_another_nft_of_it_is_gone_the_plan_goes_on_with_what_is_there(
    goes: Callable[[ToyChain, int], None], gone: set[int]
) -> None:
    life, named = part_is_mined(wide=2)

    def go(chain: ToyChain) -> None:
        for place in gone:
            goes(chain, named[place])

    life.block(go, wants=first_alone(life))
    taken = life.until_over(most=MOST_BLOCKS)
    assert taken <= 8, "as many as a plan takes whose withdrawal is made again"
    assert {each.reason for each in life.said(PlanStalled)} == {"step_failed"}
    assert life.outcomes() == [Done()]
    life.assert_whole()


def test_what_a_part_has_taken_out_is_placed_though_the_book_would_not_be_moved_any_more() -> None:
    """The owner's wallet is paid quote, so that the share is inside its band, and the second transaction reverts: the rest stays where it is."""
    life, named = part_is_mined(wide=2)
    second = life.plan.steps[1].intent.rjust(16, "0")
    life.sender.reverts = lambda attempt: attempt.transaction_hash.endswith(second)
    life.block(lambda chain: chain.move(QUOTE, STRANGER, OWNER, 4 * 10**18), wants=first_alone(life))
    assert not life.shard.tables.need("path/alpha", BookPath).outside_band
    life.until_over(most=MOST_BLOCKS)
    assert life.outcomes() == [Done()]
    assert len(life.said(PlanOpened)) == 1
    liquid = {nft for nft, each in life.chain.nfts.items() if each.owner == OWNER and each.liquidity}
    assert liquid > set(named[AT_ONCE:]), "the rest, and a new range"
    assert len(liquid) == len(named[AT_ONCE:]) + 1
