"""A portfolio file for positions that were found in the pools of one pair of tokens, for their owner to go on from."""

from collections.abc import Mapping

import msgspec
import yaml

from pipeline.units import Address, ChainId, TokenId
from streams.node.venues.uniswap_v3.positions_of_owner import PoolFound, PositionsFound, TokenFound

_MONEY = ("USD", "EUR", "DAI", "FRAX", "GHO")
"""In the symbol of a token that value is counted in."""


class PairFound(msgspec.Struct, frozen=True, kw_only=True):
    """Positions of one owner in the pools of one pair of tokens."""

    base: TokenFound
    quote: TokenFound
    pools: tuple[PoolFound, ...]
    """The one with the most positions first."""
    token_ids: tuple[TokenId, ...]

    @property
    def name(self) -> str:
        """What a book of the pair is called: both symbols, in the letters that a book's name may have."""
        text = f"{self.base.symbol}-{self.quote.symbol}".lower()
        return (
            "".join(char if char.isascii() and char.isalnum() else "-" for char in text).strip("-") or "book"
        )


def pairs_in(found: PositionsFound, wrapped_native: Address) -> list[PairFound]:
    """Group positions by the pair of tokens that they hold, and say which of both counts value. Most positions first."""
    groups: dict[frozenset[Address], list[TokenId]] = {}
    for number, position in found.positions.items():
        pool = found.pools[position.pool]
        groups.setdefault(frozenset({pool.token0.address, pool.token1.address}), []).append(number)
    pairs = [_pair(found, numbers, wrapped_native) for numbers in groups.values()]
    return sorted(pairs, key=lambda pair: (-len(pair.token_ids), pair.name))


def _pair(found: PositionsFound, numbers: list[TokenId], wrapped_native: Address) -> PairFound:
    used = [found.positions[number].pool for number in numbers]
    pools = sorted(set(used), key=lambda pool: (-used.count(pool), pool))
    first = found.pools[pools[0]]
    base, quote = sorted((first.token0, first.token1), key=lambda token: -_rank(token, wrapped_native))
    return PairFound(
        base=base,
        quote=quote,
        pools=tuple(found.pools[pool] for pool in pools),
        token_ids=tuple(sorted(numbers)),
    )


def _rank(token: TokenFound, wrapped_native: Address) -> int:
    """Order tokens by how likely value is counted in them: money, then the chain's own coin, then any other."""
    if any(word in token.symbol.upper() for word in _MONEY):
        return 0
    return 1 if token.address == wrapped_native else 2


def portfolio_text(
    chain_id: ChainId, contracts: Mapping[str, Address], owner: Address, pair: PairFound
) -> str:
    """Write a portfolio file in mode dry-run; `contracts` are those of a chain whose deployment is not known. What it leaves out is a default."""
    chain = {"id": int(chain_id), **{role: str(address) for role, address in contracts.items()}}
    return yaml.safe_dump(
        {"chain": chain, "books": [_book(pair, owner)]}, sort_keys=False, allow_unicode=True, width=120
    )


def _book(pair: PairFound, owner: Address) -> dict[str, object]:
    return {
        "book": pair.name[:60],
        "owner": str(owner),
        "base": pair.base.symbol,
        "quote": pair.quote.symbol,
        "tokens": [
            {"symbol": token.symbol, "address": str(token.address), "decimals": token.decimals}
            for token in (pair.base, pair.quote)
        ],
        "pools": [str(pool.address) for pool in pair.pools],
        "reference_pool": str(pair.pools[0].address),
        "strategy": {"name": "target_band", "target_share": "50%", "band": "10%", "cooldown": "1h"},
        "mode": "dry-run",
    }
