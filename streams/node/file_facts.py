"""What a portfolio file says of tokens and pools, held against the chain: decimals, and which tokens a pool trades."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from eth_utils.address import to_checksum_address

from pipeline.errors import UnreadableError
from pipeline.messages.policy import Asset, Policy, TokenSpec
from pipeline.units import Address
from streams.node.contract_calls import Told
from streams.yaml_positions import FieldPath, Problem

if TYPE_CHECKING:
    from streams.node.client import Client

_TOKEN = "tokens/ERC20"  # noqa: S105 - an interface
_POOL, _FACTORY = "uniswap-v3/UniswapV3Pool", "uniswap-v3/UniswapV3Factory"


class PoolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool says of itself, and which pool its factory knows under that."""

    tokens: tuple[Address, Address]
    fee_pips: int
    of_factory: Address | None
    """None: the factory did not answer."""


async def contradictions(client: "Client", policy: Policy, path: FieldPath) -> AsyncIterator[Problem]:
    """Find what the chain says otherwise than a book of the file at `path`. Raises: NodeError."""
    told = await client.ask(
        [client.contract(token.address, _TOKEN).functions.decimals() for token in policy.tokens]
    )
    for j, (token, answer) in enumerate(zip(policy.tokens, told, strict=True)):
        if not isinstance(answer, UnreadableError) and answer[0] != token.decimals:
            says = f"{token.decimals}, but {token.symbol} at {token.address} has {answer[0]}"
            yield Problem((*path, "tokens", j, "decimals"), says)
    known = await _pools(client, policy)
    for j, pool in enumerate(policy.pools):
        for says in _of_pool(policy, pool, known[pool]):
            yield Problem((*path, "pools", j), says)
    for says in _of_reference(policy, known[policy.reference_pool]):
        yield Problem((*path, "reference_pool"), says)
    for j, asset in enumerate(policy.known_assets()):
        for k, says in _of_price_path(policy, asset, known):
            yield Problem((*path, "assets", j, "price_path", k), says)


async def _pools(client: "Client", policy: Policy) -> Mapping[Address, PoolFacts | None]:
    """Ask each pool what it is; None: it does not answer as a pool does."""
    pools = policy.all_pools()
    functions = [client.contract(pool, _POOL).functions for pool in pools]
    told = await client.ask([part for of in functions for part in (of.token0(), of.token1(), of.fee())])
    found = {pool: _facts(told[3 * i : 3 * i + 3]) for i, pool in enumerate(pools)}
    asked = {pool: facts for pool, facts in found.items() if facts is not None}
    factory = client.contract(policy.chain.factory, _FACTORY).functions
    lookups = [
        factory.getPool(*map(to_checksum_address, facts.tokens), facts.fee_pips) for facts in asked.values()
    ]
    for (pool, facts), answer in zip(asked.items(), await client.ask(lookups), strict=True):
        if not isinstance(answer, UnreadableError):
            found[pool] = msgspec.structs.replace(facts, of_factory=Address(answer[0]))
    return found


def _facts(answers: Sequence[Told]) -> PoolFacts | None:
    if any(isinstance(answer, UnreadableError) for answer in answers):
        return None
    (token0,), (token1,), (fee_pips,) = answers  # type: ignore[misc] # none of them is an error
    return PoolFacts(tokens=(Address(token0), Address(token1)), fee_pips=fee_pips, of_factory=None)


def _of_pool(policy: Policy, pool: Address, facts: PoolFacts | None) -> Iterator[str]:
    if facts is None:
        yield f"{pool} is no Uniswap V3 pool: it does not say which tokens it trades"
        return
    if facts.of_factory not in {None, pool}:
        yield f"{pool} is not a pool of the factory {policy.chain.factory}"
    strange = [token for token in facts.tokens if token not in {spec.address for spec in policy.tokens}]
    if strange:
        yield f"it trades {_names(policy, facts)}: {', '.join(strange)} is not among the book's tokens"


def _of_reference(policy: Policy, facts: PoolFacts | None) -> Iterator[str]:
    pool = policy.reference_pool
    if facts is None:
        yield f"{pool} is no Uniswap V3 pool: it does not say which tokens it trades"
        return
    if facts.of_factory not in {None, pool}:
        yield f"{pool} is not a pool of the factory {policy.chain.factory}"
    if set(facts.tokens) != {policy.base, policy.quote}:
        yield f"it trades {_names(policy, facts)}, not base and quote"


def _of_price_path(
    policy: Policy, asset: Asset, known: Mapping[Address, PoolFacts | None]
) -> Iterator[tuple[int, str]]:
    """Walk from an asset to the quote; the first pool that leads nowhere ends the walk."""
    at = asset.token
    for k, pool in enumerate(asset.price_path):
        facts = known[pool]
        for says in _of_pool(policy, pool, facts):
            yield k, says
        if facts is None:
            return
        if at not in facts.tokens:
            yield k, f"it trades {_names(policy, facts)}, not {_name(policy.tokens, at)}"
            return
        at = facts.tokens[1] if at == facts.tokens[0] else facts.tokens[0]
    if at != policy.quote:
        yield len(asset.price_path) - 1, f"the path ends at {_name(policy.tokens, at)}, not at the quote"


def _names(policy: Policy, facts: PoolFacts) -> str:
    return " and ".join(_name(policy.tokens, token) for token in facts.tokens)


def _name(tokens: Sequence[TokenSpec], token: Address) -> str:
    return next((spec.symbol for spec in tokens if spec.address == token), token)
