"""What a portfolio file says of tokens and pools, held against the chain: decimals, and which tokens a pool trades."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import msgspec

from pipeline.errors import UnreadableError
from pipeline.messages.policy import Policy, TokenSpec
from pipeline.units import Address
from streams.marks import FieldPath, Problem
from streams.node.contract_calls import Ask, Reader, Told, method

_DECIMALS = method("tokens/ERC20", "decimals")
_POOL, _FACTORY = "uniswap-v3/UniswapV3Pool", "uniswap-v3/UniswapV3Factory"
_PARTS = ("token0", "token1", "fee")


class PoolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a pool says of itself, and which pool its factory knows under that."""

    tokens: tuple[Address, Address]
    fee_pips: int
    of_factory: Address | None
    """None: the factory did not answer."""


async def contradictions(reader: Reader, policy: Policy, path: FieldPath) -> AsyncIterator[Problem]:
    """Find what the chain says otherwise than a book of the file at `path`. Raises: NodeError."""
    told = await reader.ask([Ask(token.address, _DECIMALS) for token in policy.tokens])
    for j, (token, answer) in enumerate(zip(policy.tokens, told, strict=True)):
        if not isinstance(answer, UnreadableError) and answer[0] != token.decimals:
            says = f"{token.decimals}, but {token.symbol} at {token.address} has {answer[0]}"
            yield Problem((*path, "tokens", j, "decimals"), says)
    known = await _pools(reader, policy)
    for j, pool in enumerate(policy.pools):
        for says in _of_pool(policy, pool, known[pool]):
            yield Problem((*path, "pools", j), says)
    for says in _of_reference(policy, known[policy.reference_pool]):
        yield Problem((*path, "reference_pool"), says)


async def _pools(reader: Reader, policy: Policy) -> Mapping[Address, PoolFacts | None]:
    """Ask each pool what it is; None: it does not answer as a pool does."""
    pools = policy.all_pools()
    told = await reader.ask([Ask(pool, method(_POOL, part)) for pool in pools for part in _PARTS])
    found: dict[Address, PoolFacts | None] = {}
    for i, pool in enumerate(pools):
        found[pool] = _facts(told[i * len(_PARTS) : (i + 1) * len(_PARTS)])
    asked = {pool: facts for pool, facts in found.items() if facts is not None}
    lookups = [
        Ask(policy.chain.factory, method(_FACTORY, "getPool"), (*facts.tokens, facts.fee_pips))
        for facts in asked.values()
    ]
    for (pool, facts), answer in zip(asked.items(), await reader.ask(lookups), strict=True):
        if not isinstance(answer, UnreadableError):
            found[pool] = msgspec.structs.replace(facts, of_factory=Address(answer[0].lower()))
    return found


def _facts(answers: Sequence[Told]) -> PoolFacts | None:
    if any(isinstance(answer, UnreadableError) for answer in answers):
        return None
    (token0,), (token1,), (fee_pips,) = answers  # type: ignore[misc] # none of them is an error
    return PoolFacts(
        tokens=(Address(token0.lower()), Address(token1.lower())), fee_pips=fee_pips, of_factory=None
    )


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


def _names(policy: Policy, facts: PoolFacts) -> str:
    return " and ".join(_name(policy.tokens, token) for token in facts.tokens)


def _name(tokens: Sequence[TokenSpec], token: Address) -> str:
    return next((spec.symbol for spec in tokens if spec.address == token), token)
