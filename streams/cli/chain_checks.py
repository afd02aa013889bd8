"""Check a portfolio against the chain: how its tokens behave, what its owners are, how narrow a range its pools allow."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from contracts_abi.chains import ChainFile
from pipeline.errors import NodeError, SettingsError, UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.chain_profile import UNISWAP_V3, VenueSpec
from pipeline.messages.policy import Policy
from pipeline.units import Address, ChainId
from streams.devnet.artifacts import anvil_here
from streams.devnet.cache import DEFAULT_CACHE
from streams.human_numbers import is_name, parse_address, price_move_text
from streams.look.account_before import (
    describe_allowances,
    describe_loans,
    describe_pending,
    describe_positions,
)
from streams.node.chain_code import wrong_code, wrong_pools
from streams.node.contract_calls import ContractReader
from streams.node.feed_facts import describe_feeds, feed_problems
from streams.node.file_facts import contradictions
from streams.node.multicall import MULTICALL3
from streams.node.sequencer_facts import sequencer_facts
from streams.node.tokens import token_fault
from streams.node.venues.port import ContractFault
from streams.node.venues.registry import contract_faults, hedge_faults, holders, narrowest_half_width
from streams.portfolio.chain_file import chain_file_for, lending_in
from streams.portfolio.names import lookup_in
from streams.run_folder import read_text
from streams.settings import Settings
from streams.yaml_positions import FieldPath, Problem, read_yaml

if TYPE_CHECKING:
    from streams.node.ens import Resolved
    from streams.node.http_node import HttpNode

_TIMEOUT_S = 10.0
_DELEGATED = bytes.fromhex("ef0100")
"""Code of a plain account that lets a contract act for it; its key still signs."""


async def refuse_what_the_chain_refuses(settings: Settings, file: Path, policies: Sequence[Policy]) -> str:
    """Ask the node, if there is one, about what a file names, and say what was asked.

    Raises: SettingsError naming line and field of what cannot be kept.
    """
    if not settings.rpc_url:
        return "no node is named: what the tokens are is asked when `evenkeel watch` reads them"
    try:
        chain = chain_file_for(policies[0].chain.chain_id, file)
        async with asking(settings, policies[0].chain.chain_id) as asked:
            problems = [] if chain is None else [each async for each in asked.chain_problems(policies, chain)]
            problems += [
                problem
                for i, policy in enumerate(policies)
                async for problem in asked.problems(policy, ("books", i))
            ]
            problems += [each async for each in asked.sequencer_problems(policies[0])]
            told = await asked.sequencer(policies[0])
            told += [says for policy in policies for says in await asked.feeds(policy)]
            lending = None if chain is None else lending_in(chain)
            told += [says for policy in policies for says in await asked.brought(policy, lending)]
    except NodeError as error:
        return f"the node was not asked what the tokens are: {error}"
    if problems:
        raise read_yaml(read_text(file), str(file)).refuse(problems)
    return "\n".join(["the node reports no problem with its tokens and pools", *told])


async def resolve_names(
    settings: Settings, chain_id: ChainId, names: Collection[str]
) -> Mapping[str, "Resolved"]:
    """Ask the node at one block what names stand for. Raises: NodeError, SettingsError where it follows another chain."""
    if not names or not settings.rpc_url:
        return {}
    try:
        async with asking(settings, chain_id) as asked:
            return await asked.names(names)
    except NodeError as error:
        raise type(error)(f"{', '.join(sorted(names))}: not resolved: {error}") from None


async def named_address(settings: Settings, text: str) -> Address:
    """Read an address of the command line, or the name of one. Raises: ValueError, NodeError, SettingsError."""
    if not is_name(text):
        return parse_address(text)
    return lookup_in(await resolve_names(settings, settings.chain, [text]))(text)


class Asked:
    """A node at one block."""

    def __init__(self, node: "HttpNode", at: BlockRef) -> None:
        """Take a node that is connected."""
        self.node = node
        self.at = at
        self._web3 = node.web3(at.hash)
        self._reader = ContractReader(node, multicall=MULTICALL3, at=at.hash)

    async def chain_problems(self, policies: Sequence[Policy], chain: ChainFile) -> AsyncIterator[Problem]:
        """Find what the chain says against the hashes of its file, of contracts and pools that the books keep. Raises: NodeError."""
        used = policies[0].chain
        async for wrong in wrong_code(self.node, chain, chain.contracts.taken_by(used), self.at.hash):
            yield Problem(("chain",), wrong.says)
        for i, policy in enumerate(policies):
            pools = [] if used.factory != chain.contracts.factory else list(policy.pools_of(UNISWAP_V3))
            async for pool, says in wrong_pools(self._reader, chain, pools):
                place = ("pools", policy.pools.index(pool)) if pool in policy.pools else ()
                yield Problem(("books", i, *place), says)

    async def problems(self, policy: Policy, path: FieldPath) -> AsyncIterator[Problem]:
        """Find what the chain says against a book. Raises: NodeError."""
        for j, token in enumerate(policy.tokens):
            fault = await self.fault(policy, token.address)
            if fault is not None:
                says = f"{token.symbol}: {fault}: book {policy.book} cannot keep it"
                yield Problem((*path, "tokens", j), says)
        if policy.mode == "live" and await self._is_contract(policy.owner):
            says = f"{policy.owner} is a contract: acting through a Safe is not supported yet"
            yield Problem((*path, "owner"), says)
        contradicted = [problem async for problem in contradictions(self._web3, policy, path)]
        contradicted += [each async for each in feed_problems(self._reader, policy, path, self.at)]
        for problem in contradicted:
            yield problem
        if policy.mode != "watch" and not contradicted:
            for wrong in await self.wrong_contracts(policy):
                place = _place_of(policy, wrong.field)
                yield Problem(place, f"{wrong.says}: book {policy.book} cannot act through it")
            for each in await self.wrong_hedge(policy):
                yield Problem(
                    (*path, "hedge", each.field), f"{each.says}: book {policy.book} cannot be hedged"
                )
            narrowest = await narrowest_half_width(self._web3, policy)
            half = policy.action.half_width_log_bps
            if narrowest is not None and half < narrowest:
                says = f"{price_move_text(half)} is narrower than the reference pool allows, {price_move_text(narrowest)}"
                yield Problem((*path, "rerange", "half_width"), says)

    async def sequencer_problems(self, policy: Policy) -> AsyncIterator[Problem]:
        """Find out whether the uptime feed that all books go by tells nothing. Raises: NodeError."""
        feed = policy.chain.sequencer
        found = await sequencer_facts(self._reader, feed, self.at) if feed else None
        if found is not None and found.trouble == "sequencer_unknown":
            yield Problem(("chain", "sequencer", "uptime_feed"), f"{found.says}: no book would act")

    async def sequencer(self, policy: Policy) -> list[str]:
        """Return whether the chain's sequencer is up, where a feed tells. Raises: NodeError."""
        feed = policy.chain.sequencer
        return [(await sequencer_facts(self._reader, feed, self.at)).says] if feed else []

    async def feeds(self, policy: Policy) -> list[str]:
        """Describe what the price feeds of a book answer. Raises: NodeError."""
        return await describe_feeds(self._reader, policy, self.at)

    async def fault(self, policy: Policy, token: Address) -> str | None:
        """Explain why a token of a book cannot be kept. Raises: NodeError."""
        try:
            return await token_fault(
                self._reader, token, tuple(holders(policy)), self.at, acts=policy.mode == "live"
            )
        except UnreadableError as error:
            return str(error)

    async def wrong_contracts(self, policy: Policy) -> list[ContractFault]:
        """Try the calls of a plan on the contracts of a book's profile. Raises: NodeError."""
        return [fault async for fault in contract_faults(self._web3, self._reader, policy, self.at)]

    async def wrong_hedge(self, policy: Policy) -> list[ContractFault]:
        """Return whether a book can be hedged as its policy says. Raises: NodeError."""
        return [fault async for fault in hedge_faults(self._reader, policy)]

    async def allowances(self, policy: Policy) -> list[str]:
        """Describe in a line what of a book's tokens somebody may take already. Raises: NodeError."""
        return await describe_allowances(self._reader, policy)

    async def brought(self, policy: Policy, lending: VenueSpec | None) -> list[str]:
        """Describe what a book's owner brings along: positions elsewhere, loans, allowances, transactions that wait. Raises: NodeError."""
        waiting = [] if policy.mode == "watch" else await self.node.waiting(policy.owner)
        return [
            *[says async for says in describe_positions(self._reader, policy)],
            *[says async for says in describe_loans(self._reader, policy, lending)],
            *await self.allowances(policy),
            *describe_pending(policy.owner, waiting),
        ]

    async def names(self, names: Collection[str]) -> Mapping[str, "Resolved"]:
        """Resolve ENS names. Raises: NodeError."""
        from streams.node.ens import resolve  # noqa: PLC0415 - takes its time

        return await resolve(self._web3, names)

    async def _is_contract(self, account: Address) -> bool:
        code = await self.node.code(account, self.at.hash)
        return bool(code) and not code.startswith(_DELEGATED)


def _place_of(policy: Policy, role: str) -> FieldPath:
    """Find where the file has a contract through which a book acts: of a further venue by the venue's name."""
    venue = policy.acting_venue()
    is_further = role != "wrapped_native" and any(spec.name == venue for spec in policy.chain.venues or ())
    return ("chain", "venues", venue, role) if is_further else ("chain", role)


@asynccontextmanager
async def asking(settings: Settings, chain_id: ChainId) -> AsyncIterator[Asked]:
    """Connect to a node of a chain; an anvil of this machine simulates what it does not.

    Raises: NodeError, SettingsError where it follows another chain.
    """
    from streams.submit.forked import ForkingSenderNode  # noqa: PLC0415 - takes its time

    program = anvil_here(cache=settings.cache or DEFAULT_CACHE)
    node = ForkingSenderNode(settings.rpc_urls[0], timeout_s=_TIMEOUT_S, program=program)
    try:
        found = await node.chain_id()
        if found != chain_id:
            raise SettingsError(f"the node follows chain {found}, the portfolio is on chain {chain_id}")
        yield Asked(node, (await node.newest()).block)
    finally:
        await node.close()
