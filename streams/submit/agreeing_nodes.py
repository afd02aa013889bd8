"""Ask several nodes as one: an answer counts when all that answer give the same, and at least two do.

One node may lie about a price, a balance or what a transaction would do, and a signer that believes it signs the loss. A node
that is behind, down or busy tells no lie: nothing follows from it until two agree again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from pipeline.errors import BlockUnknownError, CallRevertedError, NodeError, NodesDisagreeError
from pipeline.messages.journal import Inclusion
from pipeline.units import Address, BlockNumber, ChainId, Hash, Seconds, Wei
from streams.node.budget import RateLimit
from streams.node.port import CallToSimulate, Header, SimulatedCall
from streams.redaction import node_name
from streams.submit.forked import ForkingSenderNode
from streams.submit.node import SenderNode, SignerView
from streams.submit.send_errors import SendOutcome, joint
from streams.submit.used_nonce import UsedNonce

T = TypeVar("T")

_LEAST_ANSWERS = 2
_LONGEST_ANSWER = 150
_MOST_LAG_S = 60
_MOST_BASE_FEE_FACTOR = 2
"""Clients may foresee the next base fee differently, but by less than this: it moves by an eighth per block."""


def sender_node(
    urls: Sequence[str], *, timeout_s: float, program: Path | None = None, limits: Sequence[RateLimit] = ()
) -> SenderNode:
    """Connect to independent nodes: a single one directly, several as one node whose answers must agree.

    Each falls back on a fork by an anvil program, if there is one, where it cannot simulate. Each may be asked as its limit says; without
    any, without bound.
    """
    nodes = {
        node_name(url): ForkingSenderNode(url, timeout_s=timeout_s, program=program, limit=limit)
        for url, limit in zip(urls, limits or [RateLimit()] * len(urls), strict=True)
    }
    if len(nodes) == 1:
        return next(iter(nodes.values()))
    return AgreedNode(nodes)


class AgreedNode:
    """`SenderNode` of several nodes. Raises: NodesDisagreeError where they contradict each other at one block's hash."""

    def __init__(self, nodes: Mapping[str, SenderNode]) -> None:
        """Set at least two nodes, each with the name that errors show."""
        assert len(nodes) >= _LEAST_ANSWERS
        self._nodes = nodes

    async def chain_id(self) -> ChainId:
        """Ask which chain the nodes follow."""
        return _same("the chain's id", await self._answers(lambda node: node.chain_id()))

    async def newest(self) -> Header:
        """Return the newest block that all nodes have: the head of the one that is a little behind the others."""
        heads = _abreast(await self._answers(lambda node: node.newest()))
        behind = min(heads, key=lambda name: heads[name].block.number)
        lowest = heads[behind].block
        for name, head in heads.items():
            found: Hash | None = head.block.hash
            if head.block.number != lowest.number:
                found = await self._nodes[name].block_hash(lowest.number)
            if found != lowest.hash:
                raise BlockUnknownError(
                    f"nodes are on different branches: block {lowest.number} is {lowest.hash} at {behind}, "
                    f"{found or 'unknown'} at {name}"
                )
        return heads[behind]

    async def block_hash(self, number: BlockNumber) -> Hash | None:
        """Return the hash of the present branch's block at a number; None while fewer than two nodes have it."""
        answers = await self._answers(lambda node: node.block_hash(number))
        found = {name: answer for name, answer in answers.items() if answer is not None}
        if len(found) < _LEAST_ANSWERS:
            return None
        if len(set(found.values())) > 1:
            raise BlockUnknownError(f"nodes are on different branches at block {number}: {_listed(found)}")
        return next(iter(found.values()))

    async def look(self, head: Header, signer: Address, hashes: Sequence[Hash]) -> SignerView:
        """Read what a head says of a signer. Fees follow from no hash: the higher base fee and the lower tip count."""
        looks = await self._answers(lambda node: node.look(head, signer, hashes))
        where = f"of {signer} at block {head.block.hash}"
        nonce = _same(f"the nonce {where}", {name: look.nonce for name, look in looks.items()})
        balance_wei = _same(f"the balance {where}", {name: look.balance_wei for name, look in looks.items()})
        base_fees = {name: look.next_base_fee_wei for name, look in looks.items()}
        if max(base_fees.values()) > _MOST_BASE_FEE_FACTOR * min(base_fees.values()):
            raise _disagree("the next base fee", base_fees)
        first = next(iter(looks.values()))
        return replace(
            first,
            nonce=nonce,
            balance_wei=balance_wei,
            next_base_fee_wei=Wei(max(base_fees.values())),
            tip_wei=Wei(min(look.tip_wei for look in looks.values())),
            inclusions=_same_inclusions(looks),
        )

    async def pending_nonce(self, signer: Address) -> int:
        """Return how many of a signer's transactions are mined or pending: the most that any node knows of."""
        return max((await self._answers(lambda node: node.pending_nonce(signer))).values())

    async def used_nonce(
        self, signer: Address, nonce: int, *, after: BlockNumber, upto: BlockNumber
    ) -> UsedNonce | None:
        """Find the transaction that used a nonce; its signature proves the sender, so one node that has it is enough."""
        found = await self._answers(lambda node: node.used_nonce(signer, nonce, after=after, upto=upto))
        return next((used for used in found.values() if used is not None), None)

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Call a contract at the state after a block, given by hash."""
        return _same(f"{to} at block {at}", await self._verdicts(lambda node: node.call(to, data, at)))

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Simulate calls in order in one block on top of a block, given by hash; the gas is the highest that a node reports."""
        ran = await self._verdicts(lambda node: node.simulate(calls, at, time_s))
        what = f"a simulation on block {at}"
        _same(what, {name: [_effect(call) for call in result] for name, result in ran.items()})
        gas_used = [max(same.gas_used for same in place) for place in zip(*ran.values(), strict=True)]
        first = next(iter(ran.values()))
        return [replace(call, gas_used=gas) for call, gas in zip(first, gas_used, strict=True)]

    async def send(self, raw: str) -> SendOutcome:
        """Send signed bytes to every node. Never raises."""
        return joint(await asyncio.gather(*(node.send(raw) for node in self._nodes.values())))

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    # -------------------------------------------------------------- asking all of them
    async def _answers(self, ask: Callable[[SenderNode], Awaitable[T]]) -> dict[str, T]:
        """Ask every node; leave out those that cannot answer while two can. Raises: NodeError."""
        outcomes = await self._outcomes(ask)
        found = {name: outcome for name, outcome in outcomes.items() if not isinstance(outcome, NodeError)}
        if len(found) < _LEAST_ANSWERS:
            raise _too_few(outcomes)
        return found

    async def _verdicts(self, ask: Callable[[SenderNode], Awaitable[T]]) -> dict[str, T]:
        """Ask every node; a contract's revert is an answer too, which counts if all nodes give it. Raises: NodeError."""
        outcomes = await self._outcomes(ask)
        noes = {name: each for name, each in outcomes.items() if isinstance(each, CallRevertedError)}
        found = {name: outcome for name, outcome in outcomes.items() if not isinstance(outcome, NodeError)}
        if len(found) + len(noes) < _LEAST_ANSWERS:
            raise _too_few(outcomes)
        if noes and found:
            raise _disagree("whether a call fails", {name: noes.get(name, "no") for name in (*noes, *found)})
        if noes:
            raise next(iter(noes.values()))
        return found

    async def _outcomes(self, ask: Callable[[SenderNode], Awaitable[T]]) -> dict[str, T | NodeError]:
        async def one(node: SenderNode) -> T | NodeError:
            try:
                return await ask(node)
            except NodesDisagreeError:
                raise
            except NodeError as error:
                return error

        outcomes = await asyncio.gather(*(one(node) for node in self._nodes.values()))
        return dict(zip(self._nodes, outcomes, strict=True))


def _abreast(heads: dict[str, Header]) -> dict[str, Header]:
    """Leave out nodes that are far behind, while two remain: prices at an old head are old. Raises: BlockUnknownError."""
    ahead = max(heads, key=lambda name: heads[name].block.timestamp_s)
    newest = heads[ahead].block
    found = {
        n: head for n, head in heads.items() if newest.timestamp_s - head.block.timestamp_s <= _MOST_LAG_S
    }
    if len(found) < _LEAST_ANSWERS:
        name = next(name for name in heads if name not in found)
        raise BlockUnknownError(
            f"{name} is at block {heads[name].block.number}, {ahead} at {newest.number}: more than {_MOST_LAG_S} s apart"
        )
    return found


def _too_few(outcomes: "dict[str, T | NodeError]") -> NodeError:
    """Return the error of a node that did not answer, with the node's name and of the same type."""
    name, error = next((name, each) for name, each in outcomes.items() if isinstance(each, NodeError))
    return type(error)(f"{name}: {error}")


def _same(what: str, answers: dict[str, T]) -> T:
    """Return the answer that all nodes give. Raises: NodesDisagreeError."""
    first, *others = answers.values()
    if any(other != first for other in others):
        raise _disagree(what, answers)
    return first


def _disagree(what: str, answers: "dict[str, T]") -> NodesDisagreeError:
    return NodesDisagreeError(f"nodes disagree about {what}: {_listed(answers)}")


def _listed(answers: "dict[str, T]") -> str:
    return "; ".join(f"{name}: {_short(answer)}" for name, answer in answers.items())


def _short(answer: object) -> str:
    text = f"0x{answer.hex()}" if isinstance(answer, bytes) else str(answer)
    return text if len(text) <= _LONGEST_ANSWER else f"{text[:_LONGEST_ANSWER]}..."


def _same_inclusions(looks: dict[str, SignerView]) -> dict[Hash, Inclusion]:
    """Return the receipts that all nodes show. A receipt that is still missing at one node is waited for."""
    by_node = {name: look.inclusions for name, look in looks.items()}
    hashes = {hash_ for inclusions in by_node.values() for hash_ in inclusions}
    for hash_ in hashes:
        missing = [name for name, inclusions in by_node.items() if hash_ not in inclusions]
        if missing:
            raise BlockUnknownError(f"{missing[0]} does not know yet in which block {hash_} is")
        _same(f"where {hash_} is", {name: inclusions[hash_] for name, inclusions in by_node.items()})
    return next(iter(by_node.values()))


def _effect(call: SimulatedCall) -> object:
    """Return the part of a simulated call's result that must be the same everywhere: gas and error texts differ between clients."""
    if not call.succeeded:
        return "fails"
    return (call.returned, [(log.address, log.topics, log.data) for log in call.logs])
