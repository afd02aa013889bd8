"""Step 4: a book's inventory: where its tokens lie and what they are worth together."""

from collections.abc import Iterable, Iterator

from pipeline import keys
from pipeline.book.inventory import WHOLE_BPS, Assessed, Stock
from pipeline.errors import ImpossibleFactError
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.messages.entries import Balance, NftPosition, Pool
from pipeline.messages.policy import Policy
from pipeline.messages.views import Holding
from pipeline.state.shard import Shard
from pipeline.units import NATIVE, Address, Bps, RawAmount
from pipeline.venues.uniswap_v3.routes import is_ours


def own_positions(shard: Shard, policy: Policy) -> Iterator[tuple[str, NftPosition]]:
    """Walk the NFTs of a book: those of its owner in its pools, but for what is set apart."""
    pools = policy.all_pools()
    manager = policy.chain.position_manager
    for key, position in shard.tables.group(keys.position.under(manager), NftPosition):
        if position.owner == policy.owner and position.pool in pools and is_ours(shard.tables, key):
            yield key, position


def take_stock(shard: Shard, policy: Policy, positions: Iterable[Assessed]) -> Stock:
    """Add a book up. Raises: ImpossibleFactError where the reference pool is not of base and quote."""
    positions = tuple(positions)
    holdings = tuple(_holding(shard, policy, token.address, positions) for token in policy.tokens)
    totals = {h.token: h.wallet + h.native + h.principal + h.fees for h in holdings}
    base = RawAmount(totals.get(policy.base, 0))
    quote = RawAmount(sum(_at_par(policy, token, amount) for token, amount in totals.items()))
    reference = shard.tables.need(keys.pool(policy.reference_pool), Pool)
    if {reference.token0, reference.token1} != {policy.base, policy.quote}:
        raise ImpossibleFactError(f"reference pool {policy.reference_pool} is not of base and quote")
    base_is_token0 = reference.token0 == policy.base
    price = reference.sqrt_price_x96
    base_value = value_in_token1(base, price) if base_is_token0 else value_in_token0(base, price)
    value = base_value + quote
    priced = {policy.base, policy.quote, *policy.quote_equivalents}
    return Stock(
        holdings=holdings,
        base_amount=base,
        quote_amount=quote,
        unpriced=tuple(token for token, amount in totals.items() if amount and token not in priced),
        sqrt_price_x96=price,
        base_is_token0=base_is_token0,
        base_value_quote=base_value,
        value_quote=RawAmount(value),
        base_share_bps=Bps(base_value * WHOLE_BPS // value if value else 0),
        has_liquidity=any(p.position.liquidity for p in positions),
        any_in_range=any(p.in_range for p in positions),
    )


def worth(policy: Policy, stock: Stock, position: Assessed) -> RawAmount:
    """Value an NFT of a book in its quote, at the price of its stock. Rounds: down."""
    value_of_base = value_in_token1 if stock.base_is_token0 else value_in_token0
    value = 0
    for token in (position.token0, position.token1):
        amount = sum(_part(position, token))
        is_base = token == policy.base
        value += (
            value_of_base(RawAmount(amount), stock.sqrt_price_x96)
            if is_base
            else _at_par(policy, token, amount)
        )
    return RawAmount(value)


def _holding(shard: Shard, policy: Policy, token: Address, positions: Iterable[Assessed]) -> Holding:
    parts = [_part(position, token) for position in positions]
    native = token == policy.chain.wrapped_native
    return Holding(
        token=token,
        wallet=RawAmount(sum(_balance(shard, account, token) for account in policy.accounts)),
        native=RawAmount(sum(_balance(shard, a, NATIVE) for a in policy.accounts) if native else 0),
        principal=RawAmount(sum(principal for principal, _ in parts)),
        fees=RawAmount(sum(fees for _, fees in parts)),
    )


def _part(position: Assessed, token: Address) -> tuple[int, int]:
    if token == position.token0:
        return position.principal0, position.fees0
    if token == position.token1:
        return position.principal1, position.fees1
    return 0, 0


def _balance(shard: Shard, account: Address, token: Address) -> int:
    balance = shard.tables.find(keys.balance(account, token), Balance)
    return 0 if balance is None else balance.amount


def _at_par(policy: Policy, token: Address, amount: int) -> int:
    """Count quote as it is and its equivalents by their decimals. Rounds: down."""
    if token == policy.quote:
        return amount
    if token not in policy.quote_equivalents:
        return 0
    quote_unit, token_unit = (int(10 ** policy.decimals(t)) for t in (policy.quote, token))
    return amount * quote_unit // token_unit
