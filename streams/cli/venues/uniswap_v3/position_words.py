"""Show NFTs by number and price range, and the prices in refusals."""

from collections.abc import Mapping, Sequence

from pipeline import keys
from pipeline.book.exposures import HeldItem
from pipeline.math.log_prices import price_of_root
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.goals import Terms
from pipeline.messages.policy import Policy
from pipeline.units import RawAmount, SqrtPriceX96, Tick, TokenId
from pipeline.venues.uniswap_v3 import topics
from pipeline.venues.uniswap_v3.assess import HeldNft
from pipeline.venues.uniswap_v3.forms.entries import Pool
from streams.cli.venues.event_names import topic_names
from streams.cli.venues.plain import PlainVenue
from streams.cli.venues.port import InUnits
from streams.cli.venues.uniswap_v3.ranges import prices_text, range_text
from streams.cli.wording import Named, named_in, pair_decimals, pair_price_text, price_unit
from streams.human_numbers import short
from streams.present_books import BookNow

_PRICES = (
    r"\bspot is (\d+), the minimums are met within (\d+) to (\d+)",
    r"\bmay go to the price (\d+), not within (\d+) to (\d+)",
    r"\bthe price limit (\d+) lets only",
)
"""What its guards and its search for a swap say of square roots of prices of the reference pool."""


class UniswapV3Shown(PlainVenue):
    """Shows NFTs and ranges."""

    noun = "NFT"
    columns: Sequence[str] = (">NFT", "pool", "~range", "liquidity", "~principal", "~fees")
    event_names: Mapping[str, str] = topic_names(topics)

    def call(self, item: str) -> str:
        """Name an NFT by its number."""
        return keys.number_of(item)

    def cells(self, book: BookNow, held: HeldItem) -> Sequence[str]:
        """Show an NFT: its range in prices, what burning it would pay, and the fees it has earned on top."""
        assert isinstance(held, HeldNft)
        pool = book.at.shard.tables.need(keys.pool(held.position.pool), Pool)
        names = named_in(book.policy)
        return (
            self.call(held.item),
            _pool_name(pool, names),
            _range_in(book.policy, pool, held),
            "closed" if not held.provides_liquidity else "in range" if held.in_range else "out of range",
            both_text(names, pool, held.principal),
            both_text(names, pool, held.fees),
        )

    def place(self, terms: Terms, policy: Policy | None) -> str:
        """Show a range of the reference pool in prices of the base, lowest first."""
        match terms:
            case {"tick_lower": str(lower), "tick_upper": str(upper)}:
                ticks = Tick(int(lower)), Tick(int(upper))
            case _:
                return super().place(terms, policy)
        if policy is None:
            return f"ticks {lower} to {upper}"
        return range_text(ticks, pair_decimals(policy), base_is_0=policy.base < policy.quote)

    def new_position(self, terms: Terms, policy: Policy | None) -> str:
        """Name the range of a new NFT."""
        return f"new range {self.place(terms, policy)}"

    def refusal_numbers(self) -> Mapping[str, InUnits]:
        """Show square roots of prices as prices."""
        return dict.fromkeys(_PRICES, _price)

    def numbered_item(self, spec: VenueSpec, number: TokenId) -> str | None:
        """Name an NFT of a deployment."""
        return keys.position(spec.contract("position_manager"), number)


def both_text(names: Named, pool: Pool, amounts: tuple[RawAmount, RawAmount]) -> str:
    """Show amounts of a pool's two tokens."""
    return " + ".join(
        names.amount(token, raw) for token, raw in zip((pool.token0, pool.token1), amounts, strict=True)
    )


def _pool_name(pool: Pool, names: Named) -> str:
    symbols = [names.tokens.get(token, (short(token), 0))[0] for token in (pool.token0, pool.token1)]
    return f"{'/'.join(symbols)} {pool.fee_pips / 10_000:g}%"


def _range_in(policy: Policy, pool: Pool, held: HeldNft) -> str:
    """Show a range in prices of the book's base, lowest first, with its ticks."""
    base_is_0 = pool.token0 == policy.base or pool.token1 == policy.quote
    lower, upper = held.position.tick_lower, held.position.tick_upper
    prices = prices_text((lower, upper), (pool.decimals0, pool.decimals1), base_is_0=base_is_0)
    return f"{prices} {price_unit(policy)} (ticks {lower}..{upper})"


def _price(policy: Policy, sqrt_price_x96: int) -> str:
    return pair_price_text(policy, price_of_root(SqrtPriceX96(sqrt_price_x96)))
