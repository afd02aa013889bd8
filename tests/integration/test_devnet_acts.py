"""The book that `evenkeel init` writes for a fresh devnet acts on its first proposals, within the example's limits."""

from types import SimpleNamespace

import msgspec
import pytest
from chain_desk import ChainDesk
from msgspec.structs import replace
from pictures.screens import edited

from pipeline.messages.decisions import PlanOpened, RebalanceProposed, StepRefused
from pipeline.messages.policy import version_of
from streams.cli.devnet_run import leave_positions
from streams.cli.example import example_portfolio
from streams.devnet.chain import Chain
from streams.devnet.flow import OrderFlow
from streams.devnet.world import World
from streams.portfolio import load_portfolio
from streams.run_folder import DevnetWorld

pytestmark = pytest.mark.anvil


def test_the_example_book_of_a_fresh_devnet_acts_on_its_first_proposal(chain: Chain, world: World) -> None:
    leave_positions(chain, world)
    flow, mine = OrderFlow(chain, world, seed=1), chain.mine
    named = msgspec.convert(msgspec.to_builtins(world), DevnetWorld)
    books = load_portfolio(
        example_portfolio(SimpleNamespace(world=world)), "portfolio.yaml", devnet=named.profile()
    )
    book = replace(books[0], mode="live")  # the desk judges and sends, instead of a fork
    desk = ChainDesk(chain, world, replace(book, policy_version=version_of(book)))

    def mine_with_flow() -> object:
        chain.mine = mine  # type: ignore[method-assign]
        block = flow.block()
        chain.mine = mine_with_flow  # type: ignore[method-assign,assignment]
        return block

    chain.mine = mine_with_flow  # type: ignore[method-assign,assignment]
    for _ in range(80):
        if desk.said(RebalanceProposed):
            break
        desk.block_of_all()
    assert len(desk.said(RebalanceProposed)) == 1
    assert not desk.said(StepRefused), desk.said(StepRefused)[0].detail
    assert len(desk.said(PlanOpened)) == 1


def test_the_example_can_be_edited_for_the_screens_of_readme(world: World) -> None:
    named = msgspec.convert(msgspec.to_builtins(world), DevnetWorld)
    text = edited(example_portfolio(SimpleNamespace(world=world)))
    book, *_ = load_portfolio(text, "portfolio.yaml", devnet=named.profile())
    assert (book.strategy.target_share_bps, book.limits.signer.max_share_of_depth_bps) == (4_000, 10_000)
