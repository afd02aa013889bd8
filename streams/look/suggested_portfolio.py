"""Write a portfolio file for an owner's positions in the pools of one pair of tokens."""

from collections.abc import Collection, Mapping

import msgspec
import yaml

from pipeline.messages.chain_profile import VenueSpec
from pipeline.units import Address, Bps, ChainId, TokenId
from streams.node.venues.uniswap_v3.positions_of_owner import PoolFound, PositionsFound, TokenFound

_NOTHING = Bps(0)
_PERCENT = 100
"""Units: bps."""
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
        """The book's name: both symbols, in the characters that a name may have."""
        text = f"{self.base.symbol}-{self.quote.symbol}".lower()
        return (
            "".join(char if char.isascii() and char.isalnum() else "-" for char in text).strip("-") or "book"
        )


def pairs_in(
    found: PositionsFound, wrapped_native: Address, money: Collection[Address] = ()
) -> list[PairFound]:
    """Group positions by their pair of tokens, and choose the quote of each. The pair with most positions comes first.

    `money` are the chain's stable tokens; others are known by their symbol.
    """
    groups: dict[frozenset[Address], list[TokenId]] = {}
    for number, position in found.positions.items():
        pool = found.pools[position.pool]
        groups.setdefault(frozenset({pool.token0.address, pool.token1.address}), []).append(number)
    ranks = {
        token.address: _rank(token, wrapped_native, money)
        for pool in found.pools.values()
        for token in (pool.token0, pool.token1)
    }
    pairs = [_pair(found, numbers, ranks) for numbers in groups.values()]
    return sorted(pairs, key=lambda pair: (-len(pair.token_ids), pair.name))


def _pair(found: PositionsFound, numbers: list[TokenId], ranks: Mapping[Address, int]) -> PairFound:
    used = [found.positions[number].pool for number in numbers]
    pools = sorted(set(used), key=lambda pool: (-used.count(pool), pool))
    first = found.pools[pools[0]]
    base, quote = sorted((first.token0, first.token1), key=lambda token: -ranks[token.address])
    return PairFound(
        base=base,
        quote=quote,
        pools=tuple(found.pools[pool] for pool in pools),
        token_ids=tuple(sorted(numbers)),
    )


def _rank(token: TokenFound, wrapped_native: Address, money: Collection[Address]) -> int:
    """Rank tokens by how likely they are the quote: stable tokens, tokens named like them, the chain's coin, any other."""
    if token.address in money:
        return 0
    if any(word in token.symbol.upper() for word in _MONEY):
        return 1
    return 2 if token.address == wrapped_native else 3


def portfolio_text(
    chain_id: ChainId,
    chain: Mapping[str, str],
    owner: Address,
    pair: PairFound,
    lending: VenueSpec | None = None,
    *,
    hedged_bps: Bps = _NOTHING,
) -> str:
    """Write a portfolio file in mode dry-run; `chain` describes a chain that is not known here. What it leaves out has its default.

    `lending` is the market where the owner has something, and `hedged_bps` the share of the base that is owed there: it becomes the
    book's hedge. One of less than a whole percent does not, for 0% would close it.
    """
    section: dict[str, object] = {
        "id": int(chain_id),
        **{field: str(value) for field, value in chain.items()},
    }
    book = _book(pair, owner)
    if lending is not None:
        section["venues"] = [_venue(lending)]
        if hedged_bps >= _PERCENT:
            book["hedge"] = {"venue": lending.name, "ratio": f"{hedged_bps // _PERCENT}%"}
    return yaml.safe_dump({"chain": section, "books": [book]}, sort_keys=False, allow_unicode=True, width=120)


def _venue(spec: VenueSpec) -> dict[str, str]:
    return {
        "name": spec.name,
        "kind": spec.kind,
        **{each.role: str(each.address) for each in spec.contracts},
    }


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
