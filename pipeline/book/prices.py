"""Compute the price of each token of a book in its quote, from the sources that the policy names."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline import keys
from pipeline.book.exposures import ONE_FOR_ONE, Spot
from pipeline.book.feeds import answer_of, feed_fault, feed_price
from pipeline.errors import ImpossibleFactError
from pipeline.messages.base import Price
from pipeline.messages.policy import Policy
from pipeline.messages.prices import Asset, FeedPrice, Par, PoolPath
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Address, Seconds
from pipeline.venues.port import Venue
from pipeline.venues.registry import venues_of

Spots = Mapping[Address, Spot]


def spot_prices(shard: Shard, policy: Policy) -> Mapping[Address, Price]:
    """Price every token that the policy prices: base at the reference pool, equivalents at par, assets as each is valued.

    Units:  raw quote per raw unit.
    Raises: ImpossibleFactError where a pool is not followed, or does not trade what it is to price.
    """
    pools = policy.pricing_pools()
    spots = [_spot(shard, policy, pool) for pool in pools]
    answers = [answer_of(shard.tables, feed) for feed in policy.value_feeds()] if policy.assets else []
    return shard.tables.derived(
        keys.prices(policy.book),
        (policy, *spots, *answers),
        _known_prices,
        policy,
        spots,
        shard.tables,
    )


def _known_prices(policy: Policy, spots: Sequence[Spot], tables: Tables) -> Mapping[Address, Price]:
    found = dict(zip(policy.pricing_pools(), spots, strict=True))
    return _prices(policy, found, tables, policy.known_assets())


def last_prices(shard: Shard, policy: Policy, now_s: Seconds) -> Mapping[Address, Price]:
    """Price what `spot_prices` prices, however old a feed's answer is; an asset whose feed gives no price is left out.

    Units:  raw quote per raw unit.
    Raises: ImpossibleFactError where a pool is not followed, or does not trade what it is to price.
    """
    spots = {pool: _spot(shard, policy, pool) for pool in policy.pricing_pools()}
    told = [each for each in policy.known_assets() if _tells_a_price(shard.tables, each, now_s)]
    return _prices(policy, spots, shard.tables, told)


def base_spot(shard: Shard, policy: Policy) -> Price:
    """Price the base at the reference pool. Raises: ImpossibleFactError where that is not followed, or of other tokens."""
    return _base_price(policy, _spot(shard, policy, policy.reference_pool))


def _tells_a_price(tables: Tables, asset: Asset, now_s: Seconds) -> bool:
    feed = asset.spot
    if not isinstance(feed, FeedPrice):
        return True
    return feed_fault(answer_of(tables, feed), feed, now_s) in {None, "price_too_old"}


def _base_price(policy: Policy, spot: Spot) -> Price:
    base = spot.of(policy.base)
    if base is None or base[0] != policy.quote:
        raise ImpossibleFactError(f"reference pool {policy.reference_pool} is not of base and quote")
    return base[1]


def _prices(policy: Policy, spots: Spots, tables: Tables, priced: Iterable[Asset]) -> Mapping[Address, Price]:
    prices = {policy.quote: ONE_FOR_ONE, policy.base: _base_price(policy, spots[policy.reference_pool])}
    prices |= {token: at_par(policy, token, policy.quote) for token in policy.quote_equivalents}
    assets = {asset.token: _value_of(policy, asset, prices, spots, tables) for asset in priced}
    return prices | assets


def _value_of(
    policy: Policy, asset: Asset, prices: Mapping[Address, Price], spots: Spots, tables: Tables
) -> Price:
    match asset.spot:
        case PoolPath(pools=pools):
            return along(policy, asset.token, [(pool, spots[pool]) for pool in pools])
        case Par(unit=unit):
            return at_par(policy, asset.token, unit).times(prices[unit])
        case FeedPrice(feed=address) as feed:
            answer = answer_of(tables, feed)
            if answer is None:
                raise ImpossibleFactError(f"feed {address}, which values {asset.token}, was not read")
            return feed_price(policy, asset.token, feed, answer, prices)
        case _:
            raise ImpossibleFactError(f"{asset.token} is valued at a mean, which is not a price of now")


def along(policy: Policy, token: Address, path: Sequence[tuple[Address, Spot]]) -> Price:
    """Multiply the prices of consecutive pools, from a token to the quote.

    Raises: ImpossibleFactError where the path leads elsewhere.
    """
    price, at = ONE_FOR_ONE, token
    for pool, spot in path:
        found = spot.of(at)
        if found is None:
            raise ImpossibleFactError(f"pool {pool} of the price path of {token} does not trade {at}")
        at, price = found[0], price.times(found[1])
    if at != policy.quote:
        raise ImpossibleFactError(f"the price path of {token} ends at {at}, not at the quote {policy.quote}")
    return price


def at_par(policy: Policy, token: Address, unit: Address) -> Price:
    """Price a token at one unit of another, by the decimals of both."""
    return Price(numerator=int(10 ** policy.decimals(unit)), denominator=int(10 ** policy.decimals(token)))


def find_spot(shard: Shard, at: Sequence[Venue], pool: Address) -> Spot | None:
    """Find a pool's present price at one of these venues; None where none follows it, or it was never given a price."""
    for venue in at:
        spot = venue.spot(shard, pool)
        if spot is not None:
            return spot
    return None


def _spot(shard: Shard, policy: Policy, pool: Address) -> Spot:
    spot = find_spot(shard, venues_of(policy.chain), pool)
    if spot is None:
        raise ImpossibleFactError(f"pool {pool} is not followed")
    return spot
