"""Ask several nodes as one: each question goes to a node that can answer it, and a block counts once enough nodes report it."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import structlog

from pipeline.errors import (
    PASSING_TROUBLE,
    BlockUnknownError,
    MethodMissingError,
    NodeBusyError,
    NodeError,
    SettingsError,
    TooMuchAskedError,
)
from pipeline.messages.processes import NodeSeen
from pipeline.units import Address, BlockNumber, ChainId, Hash, Seconds, Wei
from streams.node.budget import NodeBudget
from streams.node.health import NodeHealth
from streams.node.port import AccountState, Body, BodyScope, CallToSimulate, Header, Node, SimulatedCall

log = structlog.get_logger(__name__)

T = TypeVar("T")
Question = Callable[[Node], Awaitable[T]]

_ANOTHER_MAY = (*PASSING_TROUBLE, MethodMissingError, TooMuchAskedError)
"""What one node has trouble with and another may answer. A contract's refusal is the same everywhere."""
_PATIENCE_S = 1.0
"""How long the slowest node is waited for, once enough others have answered."""
_LATE = f"no answer {_PATIENCE_S:.0f} s after the others"


def usual_quorum(nodes: int) -> int:
    """Return the default quorum for a number of nodes: one of two, two of three or more."""
    return 1 if nodes <= 2 else 2


class SeveralNodes:
    """`port.Node` over several nodes, in order of preference.

    The newest block is the highest that `quorum` nodes have on one branch. Questions about it go to the first of those; a node that
    fails is passed over until it answers again. Where nodes are on different branches nothing is decided: that is BlockUnknownError.
    """

    def __init__(
        self,
        nodes: Mapping[str, Node],
        *,
        quorum: int,
        budgets: Mapping[str, NodeBudget] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the nodes by the names that the log shows, with the budgets that count their questions."""
        assert 1 <= quorum <= len(nodes)
        self._nodes = dict(nodes)
        self._quorum = quorum
        self._budgets = budgets or {}
        self._clock = clock
        self._order = list(nodes)
        """Those on the branch of the newest block first, else by preference."""
        self.health = {name: NodeHealth() for name in nodes}

    async def chain_id(self) -> ChainId:
        """Ask which chain the nodes follow. Raises: SettingsError where they follow several, NodeError."""
        told = await self._answers(lambda node: node.chain_id())
        if len(set(told.values())) > 1:
            each = ", ".join(f"{name} follows {chain_id}" for name, chain_id in told.items())
            raise SettingsError(f"rpc_url: the nodes follow different chains: {each}")
        return next(iter(told.values()))

    async def keeps_own_time(self) -> bool:
        """Return whether all nodes are anvils."""
        return all((await self._answers(lambda node: node.keeps_own_time())).values())

    async def newest(self) -> Header:
        """Ask all nodes for their newest block, and return the highest one that a quorum has on one branch."""
        heads = await self._answers(lambda node: node.newest())
        for name, head in heads.items():
            self.health[name].at(head, self._clock())
        if len(heads) < self._quorum:
            raise NodeBusyError(f"{len(heads)} of {len(self._nodes)} nodes answer: {self._troubles()}")
        level = sorted(head.block.number for head in heads.values())[-self._quorum]
        there = await self._at_level(heads, level)
        header = self._agreed(there, level)
        agree = {name for name, each in there.items() if each.block.hash == header.block.hash}
        self._prefer([name for name in self._nodes if name in agree])
        return header

    async def headers(self, numbers: Sequence[BlockNumber]) -> list[Header | None]:
        """Read blocks by height from a quorum of nodes. Raises: BlockUnknownError where they differ."""
        first, *others = await self._first_answers(lambda node: node.headers(numbers), self._quorum)
        for other in others:
            for number, here, there in zip(numbers, first, other, strict=True):
                if here is not None and there is not None and here.block.hash != there.block.hash:
                    raise BlockUnknownError(
                        f"nodes are on different branches: block {number} is {here.block.hash} and {there.block.hash}"
                    )
        return first

    async def header(self, block_hash: Hash) -> Header | None:
        """Read a block by hash, of any branch; None where no node has it."""
        return await self._whole(lambda node: node.header(block_hash), lambda header: header is not None)

    async def bodies(self, headers: Sequence[Header], scope: BodyScope | None = None) -> list[Body | None]:
        """Read the bodies of blocks by their hashes, or what a scope asks for of them, from the first node that knows all blocks."""
        return await self._whole(lambda node: node.bodies(headers, scope), lambda bodies: None not in bodies)

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Call a contract at the state after a block, given by hash."""
        return await self._ask(lambda node: node.call(to, data, at))

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Simulate calls in order in one block on top of a block, given by hash."""
        return await self._ask(lambda node: node.simulate(calls, at, time_s))

    async def simulate_by_override(self, calls: Sequence[CallToSimulate], at: Hash) -> list[SimulatedCall]:
        """Simulate calls in order where `simulate` is not supported."""
        return await self._ask(lambda node: node.simulate_by_override(calls, at))

    async def native_balances(self, questions: Sequence[tuple[Address, Hash]]) -> list[Wei | None]:
        """Read native balances of accounts after blocks, from the first node that still has all of the states."""
        return await self._whole(
            lambda node: node.native_balances(questions), lambda balances: None not in balances
        )

    async def accounts(self, questions: Sequence[tuple[Address, Hash]]) -> list[AccountState | None]:
        """Read the state of accounts after blocks, from the first node that still has all of it."""
        return await self._whole(lambda node: node.accounts(questions), lambda states: None not in states)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    def seen(self) -> tuple[NodeSeen, ...]:
        """Return each node's health."""
        highest = max((each.head for each in self.health.values() if each.head is not None), default=None)
        return tuple(each.seen(name, highest, self._budgets.get(name)) for name, each in self.health.items())

    # ---------------------------------------------------------------- which node
    async def _answers(self, question: "Question[T]") -> dict[str, T]:
        """Ask every node that is not resting, and all where too few remain; nodes that fail, or are much slower than the rest, are left out.

        Raises: NodeBusyError where none answers.
        """
        names = awake if len(awake := self._awake()) >= self._quorum else self._order
        asked: dict[asyncio.Future[T], str] = {
            asyncio.ensure_future(self._one(name, question)): name for name in names
        }
        try:
            late = await self._until_enough(asked)
        finally:  # also where nobody waits for the answers any more
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        for name in late:
            self.health[name].failed(NodeBusyError(_LATE), self._clock())
        answers = _answered(asked)
        if not answers:
            raise NodeBusyError(f"no node answers: {self._troubles()}")
        return {name: answers[name] for name in self._nodes if name in answers}

    async def _until_enough(self, asked: "Mapping[asyncio.Future[T], str]") -> list[str]:
        """Wait until a quorum has answered, and a little longer. Returns the nodes that have not answered by then."""
        waiting = set(asked)
        while waiting and len(_answered(asked)) < self._quorum:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting:
            _, waiting = await asyncio.wait(waiting, timeout=_PATIENCE_S)
        return [asked[task] for task in waiting]

    async def _one(self, name: str, question: "Question[T]") -> T:
        began_s = self._clock()
        try:
            answer = await question(self._nodes[name])
        except NodeError as error:
            self.health[name].failed(error, self._clock())
            raise
        self.health[name].answered(self._clock() - began_s)
        return answer

    async def _first_answers(self, question: "Question[T]", count: int) -> list[T]:
        """Ask the nodes one by one, resting ones last, until enough have answered. Raises: NodeError of the last that failed."""
        answers: list[T] = []
        failure: NodeError | None = None
        for name in self._all():
            try:
                answers.append(await self._one(name, question))
            except _ANOTHER_MAY as error:
                failure = error
            if len(answers) == count:
                return answers
        raise failure or NodeBusyError(f"{len(answers)} nodes answer, {count} must: {self._troubles()}")

    def _awake(self) -> list[str]:
        """List the nodes that have not just failed, in order of preference."""
        now_s = self._clock()
        return [name for name in self._order if not self.health[name].rests(now_s)]

    def _all(self) -> list[str]:
        """List all nodes in order of preference, those that have just failed last."""
        awake = self._awake()
        return [*awake, *(name for name in self._order if name not in awake)]

    async def _ask(self, question: "Question[T]") -> T:
        (answer,) = await self._first_answers(question, 1)
        return answer

    async def _whole(self, question: "Question[T]", is_whole: Callable[[T], bool]) -> T:
        """Return the first complete answer, else the first of all."""
        partial: list[T] = []
        failure: NodeError | None = None
        for name in self._all():
            if partial and self.health[name].rests(self._clock()):
                break
            try:
                answer = await self._one(name, question)
            except _ANOTHER_MAY as error:
                failure = error
                continue
            if is_whole(answer):
                return answer
            partial.append(answer)
        if not partial:
            assert failure is not None
            raise failure
        return partial[0]

    # ---------------------------------------------------------------- which branch
    async def _at_level(self, heads: Mapping[str, Header], level: int) -> dict[str, Header]:
        """Ask the nodes that have reached a height for their block there."""
        there = {name: head for name, head in heads.items() if head.block.number == level}
        for name in [name for name, head in heads.items() if head.block.number > level]:
            try:
                (header,) = await self._one(name, lambda node: node.headers([BlockNumber(level)]))
            except NodeError:
                continue
            if header is not None:
                there[name] = header
        return there

    def _agreed(self, there: Mapping[str, Header], level: int) -> Header:
        """Return the block that a quorum of nodes reports. Raises: BlockUnknownError where there is none."""
        votes = Counter(header.block.hash for header in there.values())
        agreed = [hash_ for hash_, count in votes.items() if count >= self._quorum]
        if len(agreed) == 1 or (agreed and self._quorum == 1):
            return next(header for header in there.values() if header.block.hash == agreed[0])
        each = ", ".join(f"{header.block.hash} at {name}" for name, header in there.items())
        raise BlockUnknownError(f"nodes are on different branches: block {level} is {each}")

    def _prefer(self, names: Sequence[str]) -> None:
        before = self._order[0]
        self._order = [*names, *(name for name in self._nodes if name not in names)]
        if self._order[0] != before:
            trouble = self.health[before].trouble
            say = log.info if trouble else log.debug  # who is a moment behind has no trouble
            say("asks another node", node=self._order[0], instead_of=before, trouble=trouble)

    def _troubles(self) -> str:
        return "; ".join(f"{name}: {each.trouble}" for name, each in self.health.items() if each.trouble)


def _answered(asked: "Mapping[asyncio.Future[T], str]") -> dict[str, T]:
    """Collect the answers that have arrived. Raises: any error that is not a node's."""
    answers: dict[str, T] = {}
    for task, name in asked.items():
        if not task.done() or task.cancelled() or isinstance(task.exception(), NodeError):
            continue
        answers[name] = task.result()
    return answers
