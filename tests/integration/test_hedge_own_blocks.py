"""A price jump of a quarter in one block, on both versions of Aave's bytecode: how many blocks a hedge needs to restore its net exposure."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from aave_world import is_as_on_the_chain
from chain_plans import cancel_all, undo
from hedged_desk import DEPLOY, HEDGE, Given, HedgedDesk
from hedged_play import ETHER, FAR, LATE_BLOCKS, POOL
from msgspec.structs import replace

from pipeline.messages.decisions import PlanClosed, PlanOpened, Quarantined
from pipeline.messages.events import PolicySet
from pipeline.messages.goals import HedgeGoal, JointGoal
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import version_of
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Bps, Seconds
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.ended_hedges import unwound

pytestmark = pytest.mark.anvil

OTHERS = 100_000 * ETHER
"""Of liquidity at every price, so that no trade is cut short by it."""
WIDE = Given(hedge=replace(HEDGE, act_bps=13_200), half_width=4_000, most_weth=60)
"""Its range still has both tokens after each jump, and its health is low after one up."""
MOST_OWN_BLOCKS = 2


class OwnBlocks:
    """The blocks with transactions of the owner from now on: their steps, and whether the net exposure is within its band at their ends."""

    def __init__(self, desk: HedgedDesk) -> None:
        self.desk, self._plans = desk, len(desk.said(PlanOpened))
        self.blocks: list[tuple[list[str], bool]] = []
        self.moves: list[str] = []
        self.gas = 0

    def until(self, holds: Callable[[], object]) -> "OwnBlocks":
        """Let every block have all of ours that may go into it."""
        for _ in range(40):
            done = len(self.desk.done)
            self.desk.block_of_all()
            mined = self.desk.done[done:]
            if mined:
                steps = [each.step for each in mined]
                self.blocks.append((steps, self.desk.is_on_target(self.desk.book)))
                self.gas += sum(self._gas_of(each) for each in mined)
            if holds() and not self.desk.is_acting:
                opened = self.desk.said(PlanOpened)[self._plans :]
                self.moves = [
                    str(each.goal.terms["move"]) for each in opened if isinstance(each.goal, HedgeGoal)
                ]
                return self
        raise AssertionError((self.desk.refusals, self.blocks))

    def _gas_of(self, intent: SubmitTransaction) -> int:
        receipt = receipt_of(self.desk, intent)
        assert int(receipt["status"], 16) == 1, "none of them reverts"
        return int(receipt["gasUsed"], 16)

    @property
    def steps(self) -> list[list[str]]:
        """Of each block what is no permission."""
        moving = ([step for step in steps if step not in {"approve", "reset"}] for steps, _ in self.blocks)
        return [steps for steps in moving if steps]

    def until_back(self) -> int:
        """Count them up to the first from which on the net exposure is within its band at each of their ends."""
        away = [number for number, (_, is_back) in enumerate(self.blocks, 1) if not is_back]
        return 1 + max(away, default=0)


def receipt_of(desk: HedgedDesk, intent: SubmitTransaction) -> dict[str, str]:
    return desk.chain.rpc("eth_getTransactionReceipt", desk.hashes[intent.digest])


@pytest.mark.parametrize("version", list(DEPLOY))
def test_the_net_exposure_is_back_within_two_blocks_of_its_own(
    chain: Chain, world: World, cache: Path, version: str
) -> None:
    market = DEPLOY[version](chain, world, cache=cache)
    pool, other = world.pool(POOL), world.accounts.traders[2]
    chain.execute(actions.mint_position(world, other, pool, pool.full_range(), world.amounts(pool, OTHERS)))
    desk = HedgedDesk(chain, world, market, WIDE)

    def after(dollars: float) -> OwnBlocks:
        desk.jump(dollars)
        own = OwnBlocks(desk)
        assert not desk.is_on_target(desk.book)
        return own.until(lambda: desk.is_on_target(desk.book))

    begun = OwnBlocks(desk).until(lambda: desk.is_on_target(desk.book))
    assert begun.steps == [["supply", "borrow", "sell"]]

    up = after(3_000 * 1.25)
    assert up.moves == ["down"], "to secure its health is a plan that the jump itself has opened"
    assert up.steps == [["repay", "supply"], ["buy", "repay"], ["withdraw"]]
    down, further = after(3_000 * 1.25 * 0.75), after(3_000 * 1.25 * 0.75**2)
    assert down.moves == further.moves == ["up"]
    assert down.steps[-1] == further.steps[-1] == ["borrow", "sell"]
    for each in (begun, up, down, further):
        assert each.until_back() <= MOST_OWN_BLOCKS, each.blocks

    end = OwnBlocks(desk)
    desk.append(PolicySet(policy=unwound(desk.book)))
    end.until(lambda: not desk.secured())
    assert end.steps == [["buy", "repay"], ["withdraw"]]
    assert desk.allowed() == [0] * 4
    assert desk.refusals == []
    assert {type(each.outcome) for each in desk.said(PlanClosed)} == {Done}
    assert not desk.said(Quarantined)
    is_as_on_the_chain(desk, chain, market, desk.owner)


class Shared(NamedTuple):
    """From a ratio of the hedge to another, with another target share of the ranges; the steps of each block of ours."""

    ratio_bps: int
    new_ratio_bps: int
    new_share_bps: int
    steps: list[list[str]]


SHARED = (
    Shared(6_500, 6_500, 1_000, [["withdraw", "repay"], ["swap"], ["mint"]]),
    Shared(3_500, 9_500, 1_650, [["supply", "borrow"], ["withdraw"], ["swap"], ["mint"]]),
)


@pytest.mark.parametrize("version", list(DEPLOY))
@pytest.mark.parametrize("shared", SHARED, ids=["down", "up"])
def test_a_plan_that_a_re_range_shares_with_its_hedge_takes_fewer_blocks_too(
    chain: Chain, world: World, cache: Path, version: str, shared: Shared
) -> None:
    market, hedge = (
        DEPLOY[version](chain, world, cache=cache),
        replace(HEDGE, ratio_bps=Bps(shared.ratio_bps)),
    )
    desk = HedgedDesk(chain, world, market, Given(hedge=hedge))
    OwnBlocks(desk).until(lambda: desk.is_on_target(desk.book))
    hedge = replace(HEDGE, ratio_bps=Bps(shared.new_ratio_bps), cooldown_s=Seconds(10**6))
    strategy = replace(FAR, target_share_bps=Bps(shared.new_share_bps), band_bps=Bps(150))
    book = replace(desk.book, hedge=hedge, strategy=strategy)
    desk.book = replace(book, policy_version=version_of(book))
    desk.append(PolicySet(policy=desk.book))
    opened = len(desk.said(PlanOpened))
    own = OwnBlocks(desk).until(lambda: desk.is_on_target(desk.book))
    assert isinstance(desk.said(PlanOpened)[opened].goal, JointGoal)
    assert own.steps == shared.steps
    assert own.until_back() == 1 + shared.steps.index(["swap"])
    assert desk.refusals == []
    assert {type(each.outcome) for each in desk.said(PlanClosed)} == {Done}
    assert desk.allowed() == [0] * 4
    is_as_on_the_chain(desk, chain, market, desk.owner)


@pytest.mark.parametrize("version", list(DEPLOY))
def test_a_reorg_takes_all_that_went_out_together_and_it_is_made_again_once(
    chain: Chain, world: World, cache: Path, version: str
) -> None:
    """Past its deadline the signer cancels what went away."""
    market = DEPLOY[version](chain, world, cache=cache)
    desk = HedgedDesk(chain, world, market)
    own = OwnBlocks(desk).until(desk.owed)
    assert own.steps == [["supply", "borrow", "sell"]]
    undo(desk, chain.header().number - int(receipt_of(desk, desk.done[0])["blockNumber"], 16) + 1)
    assert (desk.owed(), desk.secured()) == (0, 0)
    for _ in range(LATE_BLOCKS):
        desk.block()
    assert len(cancel_all(desk)) == len(desk.hashes)
    again = OwnBlocks(desk).until(lambda: desk.is_on_target(desk.book))
    assert [step for steps in again.steps for step in steps] == ["supply", "borrow", "sell"]
    assert {type(each.outcome) for each in desk.said(PlanClosed)} == {Done}
    assert desk.allowed() == [0] * 4
    is_as_on_the_chain(desk, chain, market, desk.owner)
    assert not desk.said(Quarantined)
