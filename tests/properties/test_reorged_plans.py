"""Whatever a reorg undoes of a plan, and whatever of it comes back: the plan ends, whole, and soon."""

from collections.abc import Callable

import pytest
from depth import spread
from desk import live
from lifecycle import Lifecycle
from toy_sender import TOY_GAS_WEI, Wants, everything
from toy_signer import whale

from pipeline.messages.decisions import PlanClosed
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Rerange

_DEADLINE_BLOCKS = 26
_BLOCKS = 7
"""From the block that opens a plan to its last one."""
_BLOCKS_OF_THREE = 3
"""The same of a plan whose mint goes out with its swap."""
_MUCH = 10**24
PUSHES = (None, True, False)
"""By a whale, after the reorg: not at all, down, up."""


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
