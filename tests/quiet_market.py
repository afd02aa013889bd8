"""A pool whose price has been constant for longer than any window, and the minimums of a mint there."""

from builders import ROOMY_SIGNER
from desk import live
from msgspec.structs import replace

from pipeline.math.slippage import least_minted, taken_by_mint
from pipeline.math.ticks import sqrt_price_at_tick, tick_at_sqrt_price
from pipeline.messages.base import Price
from pipeline.units import Bps, Liquidity, RawAmount, Seconds, SqrtPriceX96, Tick, Wei
from pipeline.venues.uniswap_v3.act.market import PoolMarket, Window, mint_window

Amounts = tuple[RawAmount, RawAmount]


def window_of(price_x96: int, max_loss_bps: int) -> Window:
    """Plan as a book whose own slippage is wider than its signer's."""
    book = live()
    limits = replace(book.limits, signer=replace(ROOMY_SIGNER, max_loss_bps=Bps(max_loss_bps)))
    mean_x96 = sqrt_price_at_tick(tick_at_sqrt_price(SqrtPriceX96(price_x96)))
    market = PoolMarket(
        now_s=Seconds(0),
        base_fee_wei=Wei(0),
        base_price=Price(numerator=1, denominator=1),
        reference_x96=mean_x96,
        signers_x96=mean_x96,
        spot_from_twap_ticks=0,
        slippage_bps=Bps(2_000),
        mean_liquidity=Liquidity(0),
    )
    return mint_window(replace(book, limits=limits), market)


def asked_for(
    price_x96: int, ticks: tuple[int, int], held: tuple[int, int], max_loss_bps: int
) -> tuple[Amounts, Amounts]:
    """Return what a mint offers of the holdings, and its minimums, as a plan computes them."""
    lower, upper = Tick(ticks[0]), Tick(ticks[1])
    amounts = taken_by_mint(RawAmount(held[0]), RawAmount(held[1]), lower, upper, SqrtPriceX96(price_x96))
    return amounts, least_minted(*amounts, lower, upper, window_of(price_x96, max_loss_bps))
