"""A dry-run of a step whose order somebody else executes ends at that order, and reports everything up to it."""

import asyncio
from pathlib import Path

import pytest
from dry_runs import trial_of, until_proposed
from followed import Followed, node_of
from msgspec.structs import replace
from perp_desk import ETHER, endow_at, hedged_at, know_perps
from worlds.toy_perp.chain import deploy_perp

from pipeline.messages.decisions import ProposalTried
from pipeline.messages.dry_run import OrderAwaited
from pipeline.messages.events import DryRunEnded
from pipeline.messages.orders import Requested
from pipeline.messages.policy import version_of
from pipeline.units import BookId
from streams.cli.sentences import sentence
from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.rehearse.anvil import AnvilForks

pytestmark = pytest.mark.anvil


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    know_perps(monkeypatch)


def test_a_dry_run_that_comes_to_an_order_says_so_and_what_it_has_shown(
    chain: Chain, world: World, cache: Path
) -> None:
    perp, owner = deploy_perp(chain, world, cache=cache), world.accounts.owners[0]
    endow_at(chain, world, owner)
    book = replace(hedged_at(world, perp, owner), mode="dry-run")
    book = replace(book, policy_version=version_of(book))

    async def story() -> None:
        node = node_of(chain.url)
        dry = Followed(node, book)
        await dry.begin()
        chain.mine()
        (proposed,) = await until_proposed(chain.mine, dry)
        assert proposed.trigger == "net_outside_band"
        trial, untried = trial_of(dry)
        async with AnvilForks(anvil_program(cache=cache), chain.url).at(
            untried.at, owner, trial.block_s
        ) as fork:
            told = await trial.run(fork)
        await node.close()

        assert (told.outcome, told.reason, told.refusal) == ("waits", "", None)
        assert isinstance(told.awaits, OrderAwaited)
        order = told.awaits.order
        assert (told.awaits.phase, order.number, order.state) == ("settle", "1", Requested())
        assert order.change > 14 * ETHER
        assert [(step.step, step.succeeded) for step in told.steps] == [
            ("approve", True),
            ("deposit", True),
            ("increase", True),
        ]
        assert told.blocks < 10, "it does not wait for the policy's stall_after"
        assert told.after is not None
        margin = [each.collateral for each in told.after.holdings if each.token == book.quote]
        assert margin[0] > 0, "what was deposited is shown"
        assert perp.order_of(chain, owner) == 0, "the real chain knows nothing of it"

        # it is told as any other outcome, once, and a book takes its next proposal after its rest
        said = dry.take(DryRunEnded(book=BookId("alpha"), proposal=untried.proposal, run=told))
        (tried,) = (each for each in said if isinstance(each, ProposalTried))
        text = sentence(tried, book)
        for part in (
            "waits at settle for order 1",
            "WETH larger",
            "3 transactions",
            "(approve, deposit, increase)",
        ):
            assert part in text, text

    asyncio.run(story())
