"""A chain that is followed through three nodes of which one is always some blocks behind, without consequences."""

import random

import msgspec
from chaos.proxy import Lags
from chaos_rpc.faults import SETUPS
from chaos_rpc.watched import Ground, Watched
from chaos_rpc.witness import Truth
from watching import assert_equals_chain

from pipeline.messages.events import BlockSeen, BlocksReverted, HeadStalled

_AT_ONCE = 10
"""Blocks mined before the watcher is waited for."""


class Lagged(msgspec.Struct, kw_only=True):
    """What became of the chain's blocks."""

    blocks: int
    told: int
    """Answers that were those of a block some way below the head."""
    accused: list[str]
    wrong: list[str]

    def line(self) -> str:
        return (
            f"{self.blocks} blocks with one of three nodes 1 to 8 behind, {self.told} old answers: "
            f"{len(self.accused)} false accusations"
        )


async def follow_with_one_behind(ground: Ground, blocks: int, seed: int) -> Lagged:
    """Follow a chain, and find whatever was concluded of the node that lags."""
    run, dice = Watched(ground, SETUPS["one of three"]), random.Random(f"{seed}/lagging")
    first = ground.chain.header().number
    async with run.running():
        await run.until_caught_up()
        lags = Lags(dice.randrange(1, 9), dice, ground.proxy)
        lags.only = dice.choice(run.names)
        with ground.proxy.troubled(lags):
            for _ in range(0, blocks, _AT_ONCE):
                await ground.mine(_AT_ONCE)
                await run.until_caught_up()
    fold = run.taken_in()
    followed = assert_equals_chain(fold, ground.chain)
    wrong = [] if followed >= blocks else [f"{followed} blocks of {blocks} were followed since {first}"]
    refused = [f"{name} of {what}" for name, each in run.witnesses.items() for what in each.refused]
    branches = [e.cause for e in fold.of(HeadStalled) if "different branches" in e.cause]
    accused = [*refused, *branches, *map(str, fold.of(BlocksReverted))]
    false = [each for witness in run.witnesses.values() for each in Truth(ground.chain).contradicted(witness)]
    wrong += [f"taken, and not the chain's: {each}" for each in false]
    wrong += [f"falsely accused: {each}" for each in accused]
    assert fold.applied(BlockSeen)
    return Lagged(blocks=followed, told=lags.met, accused=accused, wrong=wrong)
