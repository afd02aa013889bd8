"""Find the positions of an owner at a deployment of Uniswap V3, with their pools and tokens, at one block."""

from collections.abc import Sequence

import msgspec

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import ChainProfile
from pipeline.units import Address, Pips, TokenId
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from streams.human_numbers import short
from streams.node.contract_calls import Ask, ContractReader, Told, method
from streams.node.venues.uniswap_v3.nfts import PositionRead, read_owner, read_positions

_POOL, _TOKEN = "uniswap-v3/UniswapV3Pool", "tokens/ERC20"
_OF_POOL = tuple(method(_POOL, name) for name in ("token0", "token1", "fee"))
_OF_TOKEN = (function(_TOKEN, "symbol"), method(_TOKEN, "decimals"))
_LONGEST_SYMBOL, _MOST_DECIMALS = 32, 36


class TokenFound(msgspec.Struct, frozen=True, kw_only=True):
    """A token, by its own symbol and decimals."""

    address: Address
    symbol: str
    decimals: int


class PoolFound(msgspec.Struct, frozen=True, kw_only=True):
    """A pool in which the owner has a position."""

    address: Address
    token0: TokenFound
    token1: TokenFound
    fee_pips: Pips


class PositionsFound(msgspec.Struct, frozen=True, kw_only=True):
    """An owner's positions at a deployment, and those that cannot be read."""

    owner: Address
    positions: dict[TokenId, NftPosition]
    """Those that have liquidity or are owed something."""
    closed: int
    """How many NFTs have neither."""
    pools: dict[Address, PoolFound]
    unread: tuple[str, ...]


async def find_positions(reader: ContractReader, chain: ChainProfile, owner: Address) -> PositionsFound:
    """Find an owner's positions. Raises: UnreadableError where the position manager does not answer, NodeError."""
    manager, factory = chain.position_manager, chain.factory
    token_ids = await read_owner(reader, manager, owner)
    reads = await read_positions(reader, manager, factory, token_ids)
    read = {
        number: each.position
        for number, each in zip(token_ids, reads, strict=True)
        if isinstance(each, PositionRead)
    }
    positions = {number: each for number, each in read.items() if each.liquidity or each.owed0 or each.owed1}
    pools, unread = await _pools(reader, list(dict.fromkeys(each.pool for each in positions.values())))
    failed = [
        f"NFT {number}: {each}"
        for number, each in zip(token_ids, reads, strict=True)
        if isinstance(each, UnreadableError)
    ]
    return PositionsFound(
        owner=owner,
        positions={number: each for number, each in positions.items() if each.pool in pools},
        closed=len(read) - len(positions),
        pools=pools,
        unread=(*failed, *unread),
    )


async def _pools(
    reader: ContractReader, addresses: Sequence[Address]
) -> tuple[dict[Address, PoolFound], list[str]]:
    told = await reader.ask([Ask(pool, ask, ()) for pool in addresses for ask in _OF_POOL])
    of_pools = {pool: told[3 * i : 3 * i + 3] for i, pool in enumerate(addresses)}
    whole = {pool: _values(answers) for pool, answers in of_pools.items() if _all_told(answers)}
    named = [Address(token.lower()) for values in whole.values() for token in values[:2]]
    tokens, unread = await _tokens(reader, list(dict.fromkeys(named)))
    unread += [f"pool {pool} does not say which tokens it trades" for pool in of_pools if pool not in whole]
    pools = {}
    for pool, (token0, token1, fee) in whole.items():
        pair = tokens.get(Address(token0.lower())), tokens.get(Address(token1.lower()))
        if pair[0] is not None and pair[1] is not None:
            pools[pool] = PoolFound(address=pool, token0=pair[0], token1=pair[1], fee_pips=Pips(fee))
    return pools, unread


async def _tokens(
    reader: ContractReader, addresses: Sequence[Address]
) -> tuple[dict[Address, TokenFound], list[str]]:
    """Read symbol and decimals of tokens; one without a readable symbol is named by its address."""
    told = await reader.ask([Ask(token, ask, ()) for token in addresses for ask in _OF_TOKEN])
    found, unread, taken = {}, [], set[str]()
    for i, token in enumerate(addresses):
        symbol, decimals = told[2 * i : 2 * i + 2]
        if isinstance(decimals, UnreadableError) or not 0 <= int(decimals[0]) <= _MOST_DECIMALS:
            unread.append(f"token {token} does not say its decimals")
            continue
        called = _symbol(symbol, token)
        called = called if called not in taken else f"{called}-{token[2:8]}"
        taken.add(called)
        found[token] = TokenFound(address=token, symbol=called, decimals=int(decimals[0]))
    return found, unread


def _symbol(told: Told, token: Address) -> str:
    if isinstance(told, UnreadableError):
        return short(token)
    printable = "".join(char for char in str(told[0]) if char.isprintable() and not char.isspace())
    return printable[:_LONGEST_SYMBOL] or short(token)


def _all_told(answers: Sequence[Told]) -> bool:
    return not any(isinstance(answer, UnreadableError) for answer in answers)


def _values(answers: Sequence[Told]) -> tuple[str, str, int]:
    (token0,), (token1,), (fee,) = answers  # type: ignore[misc] # all of them answer
    return token0, token1, fee
