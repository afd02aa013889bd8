"""Faults between watchers and their chain: what was followed, what was logged, and which answers were accepted."""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import NamedTuple

import msgspec
from chaos.proxy import Trouble
from chaos_rpc.faults import FAULTS, SETUPS, Place
from chaos_rpc.watched import Ground, Watched
from chaos_rpc.witness import Truth
from watching import assert_equals_chain

from pipeline.drive import drive
from pipeline.follow.routes import Arrival
from pipeline.messages.events import BlocksReverted, HeadStalled, ObservationFailed
from pipeline.state.shard import Shard
from pipeline.units import ShardId
from streams.devnet.chain import Chain
from streams.node.http_node import HttpNode
from streams.verify import Verdict, against_the_chain

_MOST_MORE, _AT_ONCE = 12, 4
"""So often some blocks are mined in search of one that a trouble meets."""


class Act(NamedTuple):
    """A fault, the setup that it strikes, and the seed of its dice."""

    fault: str
    setup: str
    seed: int


class Found(msgspec.Struct, kw_only=True):
    """What a run came to."""

    act: Act
    told: int = 0
    """False answers, or troubled ones, that the proxy gave."""
    refused: int = 0
    """Answers that a client accused its node of."""
    taken: int = 0
    """Answers that were taken, each held against the chain."""
    unseen: list[str] = msgspec.field(default_factory=list)
    """What was taken and is not the chain's."""
    accused: list[str] = msgspec.field(default_factory=list)
    """What a node that said nothing false was accused of."""
    waited: bool = False
    """Whether nothing could be followed, and it was told why."""
    wrong: list[str] = msgspec.field(default_factory=list)

    @property
    def all_wrong(self) -> list[str]:
        return [
            *(f"a lie was taken for true: {each}" for each in self.unseen),
            *(f"falsely accused: {each}" for each in self.accused),
            *self.wrong,
        ]


class Run:
    """One watcher, and the trouble of its nodes."""

    def __init__(self, ground: Ground, act: Act) -> None:
        self.fault, self.setup = FAULTS[act.fault], SETUPS[act.setup]
        self.watched, self.found = Watched(ground, self.setup), Found(act=act)
        self._dice = random.Random(f"{act.seed}/{act.fault}/{act.setup}")
        self.troubles: dict[str, Trouble] = {}

    def begin(self, ground: Ground, other: Chain | None, stack: ExitStack) -> None:
        """Let some nodes have the trouble: what hides blocks, those that are asked first."""
        names, count = self.watched.names, self.setup.troubled
        chosen = names[:count] if self.fault.hides == "blocks" else self._dice.sample(names, count)
        place = Place(proxy=ground.proxy, chain=ground.chain, dice=self._dice, other_chain=other)
        self.troubles = {only: self.fault.makes(place, only) for only in chosen}
        for trouble in self.troubles.values():
            stack.enter_context(ground.proxy.troubled(trouble))

    @property
    def met(self) -> int:
        return sum(trouble.met for trouble in self.troubles.values())

    async def suffer(self) -> None:
        """Wait until the reason of the standstill is published, or, where other nodes can answer, until everything is followed."""
        if not self.setup.stops(self.fault):
            await self.watched.until_caught_up()
            return
        await self.watched.until(self.watched.stalls, "a word about the standstill")
        self.found.waited = True
        causes = [stall.cause for stall in self.watched.stalls()]
        if not any(re.search(self.fault.says, cause) for cause in causes):
            self.found.wrong.append(f"the standstill is told with another reason: {causes}")

    async def recover(self) -> None:
        """Catch up, then hold each block of the shard, and its whole state, against the chain."""
        await self.watched.until_caught_up()
        fold = self.watched.taken_in()
        assert_equals_chain(fold, self.watched.chain)
        shard, verdict, node = Shard(ShardId(0)), Verdict(), HttpNode(self.watched.chain.url)
        drive(shard, [event for event, _ in fold.arrivals])
        try:
            await node.chain_id()
            await against_the_chain(node, shard, verdict)
        finally:
            await node.close()
        assert sum(verdict.compared.values()), "nothing was compared"
        self.found.wrong += verdict.wrong

    def judge(self) -> Found:
        """Count the published, refused and accepted answers, and find false ones among the accepted and unfounded alerts."""
        found, truth = self.found, Truth(self.watched.chain)
        found.told = self.met
        if not found.told:
            found.wrong.append("the trouble met no question")
        for name, witness in self.watched.witnesses.items():
            found.taken += len(witness.headers_taken) + sum(map(len, witness.bodies_taken.values()))
            found.refused += len(witness.refused)
            found.unseen += [f"{each} by {name}" for each in truth.contradicted(witness)]
            trouble = self.troubles.get(name)
            if trouble is not None and self.fault.lies and trouble.met and not witness.refused:
                found.unseen.append(f"{trouble.met} false answers of {name} were never refused")
            if trouble is None or not self.fault.lies:
                found.accused += [f"{name} of {each}" for each in witness.refused]
        found.accused += list(self._concluded_falsely())
        return found

    def _concluded_falsely(self) -> Iterator[str]:
        """Find what may only follow from another branch: the chain has none."""
        fold = self.watched.taken_in()
        for kind in (BlocksReverted, ObservationFailed):
            yield from map(str, fold.of(kind))
        for event, arrival in fold.arrivals:
            if arrival is not Arrival.APPLIES:
                yield f"{type(event).__name__} does not apply: {arrival.name}"
        for event in fold.of(HeadStalled):
            if "different branches" in event.cause and not self.fault.parts:
                yield event.cause


async def play(ground: Ground, acts: Sequence[Act]) -> list[Found]:
    """Give several watchers a fault each, wait until it is reported or overcome, end it, and check."""
    runs = [Run(ground, act) for act in acts]
    async with AsyncExitStack() as stack:
        for run in runs:
            await stack.enter_async_context(run.watched.running())
        others = {
            place: await stack.enter_async_context(ground.other_chain())
            for place, run in enumerate(runs)
            if run.fault.parts
        }
        await _all(runs, Run.recover)
        with ExitStack() as troubles:
            await _until_all_have_just_moved(ground, runs)
            for place, run in enumerate(runs):
                run.begin(ground, others.get(place), troubles)
            await ground.mine(max(run.fault.blocks for run in runs))
            await _all(runs, Run.suffer)
            for _ in range(_MOST_MORE):
                if all(run.met for run in runs):
                    break
                await ground.mine(_AT_ONCE)
                await _all([run for run in runs if not run.setup.stops(run.fault)], Run.suffer)
        await ground.mine(1)
        await _all(runs, Run.recover)
        return [run.judge() for run in runs]


async def _until_all_have_just_moved(ground: Ground, runs: Sequence[Run]) -> None:
    """Mine until every shard has just moved, because a standstill is reported only once."""
    while True:
        await ground.mine(1)
        await asyncio.gather(*(run.watched.until_caught_up() for run in runs))
        if not any(run.watched.stalls() for run in runs):
            return


async def _all(runs: Sequence[Run], does: Callable[[Run], Awaitable[None]]) -> None:
    """Let all do something; what one does not come to is its own fault, and the others go on."""

    async def one(run: Run) -> None:
        try:
            await does(run)
        except AssertionError as error:
            run.found.wrong.append(str(error) or repr(error))

    await asyncio.gather(*map(one, runs))
