"""Compare what a portfolio file says of tokens and pools with the chain: decimals, and the tokens of each pool."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import UnreadableError
from pipeline.messages.policy import Policy, TokenSpec
from pipeline.messages.prices import MeanPath, PriceSource, pools_of
from pipeline.units import Address, PoolId
from streams.node.venues.port import PoolFacts
from streams.node.venues.registry import HALVES
from streams.yaml_positions import FieldPath, Problem

if TYPE_CHECKING:
    from streams.node.client import Client

_TOKEN = "tokens/ERC20"  # noqa: S105 - an interface


async def contradictions(client: "Client", policy: Policy, path: FieldPath) -> AsyncIterator[Problem]:
    """Find where the chain contradicts a book of the file at `path`. Raises: NodeError."""
    told = await client.ask(
        [client.contract(token.address, _TOKEN).functions.decimals() for token in policy.tokens]
    )
    for j, (token, answer) in enumerate(zip(policy.tokens, told, strict=True)):
        if not isinstance(answer, UnreadableError) and answer[0] != token.decimals:
            says = f"{token.decimals}, but {token.symbol} at {token.address} has {answer[0]}"
            yield Problem((*path, "tokens", j, "decimals"), says)
    known = await _pools(client, policy)
    for j, pool in enumerate(policy.pools):
        for says in _of_pool(policy, known[pool]):
            yield Problem((*path, "pools", j), says)
    for says in _of_reference(policy, known[policy.reference_pool]):
        yield Problem((*path, "reference_pool"), says)
    for place, priced, pools in _paths(policy, path):
        for k, says in _of_path(policy, priced, pools, known):
            yield Problem((*place, k), says)


def _paths(policy: Policy, path: FieldPath) -> Iterator[tuple[FieldPath, Address, Sequence[Address]]]:
    """List the pool paths that price a token, each with its place in the file and its token."""
    for k, reference in enumerate(policy.references or ()):
        yield (*path, "references", k, _field(reference.price)), policy.base, pools_of(reference.price)
    for j, asset in enumerate(policy.known_assets()):
        place: FieldPath = (*path, "assets", j)
        if asset.price_path:
            yield (*place, "price_path"), asset.token, asset.price_path
        else:
            yield (*place, "price", _field(asset.spot)), asset.token, pools_of(asset.spot)
        for k, reference in enumerate(asset.references or ()):
            yield (*place, "references", k, _field(reference.price)), asset.token, pools_of(reference.price)


def _field(source: PriceSource) -> str:
    return "mean" if isinstance(source, MeanPath) else "pools"


async def _pools(client: "Client", policy: Policy) -> Mapping[PoolId, PoolFacts | str]:
    """Ask each pool's venue what it trades; a text says why it is not a pool."""
    found: dict[PoolId, PoolFacts | str] = {}
    for spec in policy.chain.all_venues():
        pools = policy.pools_of(spec.name)
        if pools:
            found |= await HALVES[spec.kind].ask_pools(client, spec, pools)
    return found


def _of_pool(policy: Policy, facts: PoolFacts | str) -> Iterator[str]:
    if isinstance(facts, str):
        yield facts
        return
    if facts.strange is not None:
        yield facts.strange
    strange = [token for token in facts.tokens if token not in {spec.address for spec in policy.tokens}]
    if strange:
        yield f"it trades {_names(policy, facts)}: {', '.join(strange)} is not among the book's tokens"


def _of_reference(policy: Policy, facts: PoolFacts | str) -> Iterator[str]:
    if isinstance(facts, str):
        yield facts
        return
    if facts.strange is not None:
        yield facts.strange
    if set(facts.tokens) != {policy.base, policy.quote}:
        yield f"it trades {_names(policy, facts)}, not base and quote"


def _of_path(
    policy: Policy, token: Address, pools: Sequence[PoolId], known: Mapping[PoolId, PoolFacts | str]
) -> Iterator[tuple[int, str]]:
    """Follow a path from a token to the quote; the first pool that does not trade the token ends it."""
    at = token
    for k, pool in enumerate(pools):
        facts = known[pool]
        for says in _of_pool(policy, facts):
            yield k, says
        if isinstance(facts, str):
            return
        if at not in facts.tokens:
            yield k, f"it trades {_names(policy, facts)}, not {_name(policy.tokens, at)}"
            return
        at = facts.tokens[1] if at == facts.tokens[0] else facts.tokens[0]
    if pools and at != policy.quote:
        yield len(pools) - 1, f"the path ends at {_name(policy.tokens, at)}, not at the quote"


def _names(policy: Policy, facts: PoolFacts) -> str:
    return " and ".join(_name(policy.tokens, token) for token in facts.tokens)


def _name(tokens: Sequence[TokenSpec], token: Address) -> str:
    return next((spec.symbol for spec in tokens if spec.address == token), token)
