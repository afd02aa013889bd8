"""Trade base for quote in the reference pool outside any re-range: sell an exact input, or buy an exact output."""

from pipeline.act.allowances import Grant, allow
from pipeline.act.drafts import Draft, with_data
from pipeline.act.foresight import Market, Trade
from pipeline.errors import SwapLimitedError
from pipeline.math.amounts import range_amounts
from pipeline.math.sandwich import safe_window_x96
from pipeline.math.search import first_where
from pipeline.math.slippage import least_of_quote, most_of_quote
from pipeline.messages.goals import Step
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call, Minimum
from pipeline.state.shard import Shard
from pipeline.units import Liquidity, Pips, RawAmount, Seconds, SqrtPriceX96
from pipeline.venues.uniswap_v3 import quote
from pipeline.venues.uniswap_v3.act.depth import depth_window
from pipeline.venues.uniswap_v3.act.drafts import SWAP_GAS, SwapDraft
from pipeline.venues.uniswap_v3.act.guard_question import market_of
from pipeline.venues.uniswap_v3.act.market import (
    PoolMarket,
    Window,
    least_swapped,
    narrower,
    swap_tolerance_bps,
    swap_window,
)
from pipeline.venues.uniswap_v3.act.spenders import router_of
from pipeline.venues.uniswap_v3.assess import own_positions
from pipeline.venues.uniswap_v3.calldata import write_purchase, write_swap
from pipeline.venues.uniswap_v3.pools import need_pool
from pipeline.venues.uniswap_v3.quote import Quote
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan

_NOTHING = RawAmount(0)
_MOST_OWN_SHARE = 4
"""A trade is at most this many times what it is for: in a pool that is nearly all ours most of it would come back to us."""
_ROUNDS = 8
"""Of a pool half of which is ours a trade is then right to 1 in 256 of it."""


class PoolTrade(Trade, frozen=True, kw_only=True):
    """The expected result of a trade in the reference pool."""

    swap: SwapPlan
    is_private: bool


class UniswapV3Trades:
    """Swaps through the router of the deployment where the book acts."""

    gas_limit: int = SWAP_GAS

    def grants(self, policy: Policy) -> tuple[Grant, ...]:
        """List base and quote, each with the router."""
        return (policy.base, router_of(policy)), (policy.quote, router_of(policy))

    def fee_pips(self, shard: Shard, policy: Policy) -> Pips:
        """Return the fee of the reference pool."""
        return need_pool(shard, policy.reference_pool).pool().fee_pips

    def trade(self, shard: Shard, policy: Policy, market: Market, base: int) -> PoolTrade:
        """Quote a swap that ends within the mean prices' window, the pool's depth and what is safe from a sandwich."""
        return _quoted(shard, policy, _windows(shard, policy, market_of(market)), base)

    def trade_for(self, shard: Shard, policy: Policy, market: Market, less_base: int) -> PoolTrade:
        """Quote a trade after which the book has an amount less base: its own ranges are part of the pool, and buy or sell with it.

        Each round adds what they took in the round before; a trade never more than `_MOST_OWN_SHARE` times what it is for.
        """
        windows, wanted = _windows(shard, policy, market_of(market)), abs(less_base)
        sign, base = (1 if less_base > 0 else -1), wanted
        for _ in range(_ROUNDS):
            made = _quoted(shard, policy, windows, sign * base)
            needed = min(wanted + abs(_taken_in(shard, policy, made)), _MOST_OWN_SHARE * wanted)
            if made.limited or needed == base:
                return made
            base = needed
        return _quoted(shard, policy, windows, sign * base)

    def draft(
        self, shard: Shard, policy: Policy, market: Market, trade: Trade, *, step: Step
    ) -> tuple[Draft, ...]:
        """Draft the approval of what is paid, where it is needed, and the swap."""
        assert isinstance(trade, PoolTrade)
        make = _sale if trade.sells_base else _purchase
        made = make(shard, policy, market_of(market), trade, step)
        paid = policy.base if trade.sells_base else policy.quote
        allowed = allow(shard, policy, paid, router_of(policy), RawAmount(-made.minimums[0].delta))
        return tuple(with_data(each, policy.chain.data_gas) for each in (*allowed, made))


def _windows(shard: Shard, policy: Policy, market: PoolMarket) -> tuple[Window, Window]:
    """Compute the prices between which a swap is to end, and between which it may, since others may trade before it."""
    live = need_pool(shard, policy.reference_pool)
    fee_pips = live.pool().fee_pips
    most = swap_window(policy, market, fee_pips)
    within = narrower(most, depth_window(live, policy, market))
    if policy.action.large_swaps == "private":
        return within, most
    return narrower(within, safe_window_x96(live.sqrt_price_x96, fee_pips)), most


def _quoted(shard: Shard, policy: Policy, windows: tuple[Window, Window], base: int) -> PoolTrade:
    live = need_pool(shard, policy.reference_pool)
    down = (base > 0) == (live.pool().token0 == policy.base)
    within_x96, most_x96 = (window[0 if down else 1] for window in windows)
    if not (within_x96 < live.sqrt_price_x96 if down else live.sqrt_price_x96 < within_x96):
        raise SwapLimitedError(f"spot {live.sqrt_price_x96} is beyond the limit {within_x96}")
    quoted = quote(live, RawAmount(base), zero_for_one=down, limit_x96=within_x96)
    paid, got = _sides(quoted, down=down)
    moved, other = (paid, got) if base > 0 else (got, paid)
    if moved <= 0 or other <= 0:
        raise SwapLimitedError(f"the price limit {within_x96} lets nothing of {base} be traded")
    safe = safe_window_x96(live.sqrt_price_x96, live.pool().fee_pips)
    return PoolTrade(
        sells_base=base > 0,
        base=RawAmount(moved),
        quote=RawAmount(other),
        limited="" if moved == abs(base) else f"prices allow a trade of {moved} of {abs(base)} base",
        is_private=not safe[0] <= quoted.sqrt_price_x96 <= safe[1],
        swap=_swap_plan(quoted, most_x96, down=down),
    )


def _sides(quoted: Quote, *, down: bool) -> tuple[RawAmount, RawAmount]:
    """Return what a swap pays, and what it gets."""
    into, out = (
        (quoted.amount0_delta, quoted.amount1_delta) if down else (quoted.amount1_delta, quoted.amount0_delta)
    )
    return into, RawAmount(-out)


def _swap_plan(quoted: Quote, limit_x96: SqrtPriceX96, *, down: bool) -> SwapPlan:
    """Return guards and costs of a swap without a mint behind it."""
    paid, got = _sides(quoted, down=down)
    return SwapPlan(
        zero_for_one=down,
        amount_in=paid,
        amount_out=got,
        sqrt_price_after_x96=quoted.sqrt_price_x96,
        limit_x96=limit_x96,
        limited=False,
        amount0=_NOTHING,
        amount1=_NOTHING,
        liquidity=Liquidity(0),
        left_over0=_NOTHING,
        left_over1=_NOTHING,
    )


def _taken_in(shard: Shard, policy: Policy, trade: PoolTrade) -> int:
    """Compute by how much base the book's ranges in the pool grow with a trade. Rounds: each range down."""
    live = need_pool(shard, policy.reference_pool)
    place = 0 if live.pool().token0 == policy.base else 1

    def held(at_x96: SqrtPriceX96) -> int:
        return sum(
            range_amounts(at_x96, each.tick_lower, each.tick_upper, each.liquidity, round_up=False)[place]
            for _, each in own_positions(shard, policy)
            if each.pool == policy.reference_pool and each.liquidity
        )

    return held(trade.swap.sqrt_price_after_x96) - held(live.sqrt_price_x96)


def _sale(shard: Shard, policy: Policy, market: PoolMarket, trade: PoolTrade, step: Step) -> SwapDraft:
    swap, fee_pips = trade.swap, need_pool(shard, policy.reference_pool).pool().fee_pips
    least = max(
        least_swapped(policy, market, fee_pips, swap.amount_in, zero_for_one=swap.zero_for_one),
        least_of_quote(swap.amount_out, swap_tolerance_bps(policy)),
    )
    data = write_swap(
        token_in=policy.base,
        token_out=policy.quote,
        fee_pips=fee_pips,
        recipient=policy.owner,
        amount_in=swap.amount_in,
        minimum_out=least,
        limit_x96=swap.limit_x96,
        deadline_s=Seconds(market.now_s + policy.limits.deadline_s),
    )
    minimums = (
        Minimum(token=policy.base, delta=RawAmount(-swap.amount_in)),
        Minimum(token=policy.quote, delta=least),
    )
    return _swap_draft(policy, trade, step, data, minimums)


def _purchase(shard: Shard, policy: Policy, market: PoolMarket, trade: PoolTrade, step: Step) -> SwapDraft:
    """Draft the purchase of an exact output. Raises: SwapLimitedError where it costs more than the mean prices allow."""
    swap, fee_pips = trade.swap, need_pool(shard, policy.reference_pool).pool().fee_pips

    def is_dear(paid: int) -> bool:
        least = least_swapped(policy, market, fee_pips, RawAmount(paid), zero_for_one=swap.zero_for_one)
        return least > swap.amount_out

    asked = most_of_quote(swap.amount_in, swap_tolerance_bps(policy))
    most = RawAmount(first_where(is_dear, swap.amount_in, asked, asked) - 1)
    if most < swap.amount_in:
        raise SwapLimitedError(
            f"{swap.amount_out} base cost {swap.amount_in} quote, more than the means allow"
        )
    data = write_purchase(
        token_in=policy.quote,
        token_out=policy.base,
        fee_pips=fee_pips,
        recipient=policy.owner,
        amount_out=swap.amount_out,
        most_in=most,
        deadline_s=Seconds(market.now_s + policy.limits.deadline_s),
    )
    minimums = (
        Minimum(token=policy.quote, delta=RawAmount(-most)),
        Minimum(token=policy.base, delta=swap.amount_out),
    )
    return _swap_draft(policy, trade, step, data, minimums)


def _swap_draft(
    policy: Policy, trade: PoolTrade, step: Step, data: str, minimums: tuple[Minimum, Minimum]
) -> SwapDraft:
    call = Call(to=router_of(policy), data=data, gas_limit=SWAP_GAS)
    return SwapDraft(step=step, call=call, minimums=minimums, is_private=trade.is_private, swap=trade.swap)
