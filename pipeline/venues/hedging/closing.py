"""Choose how a plan ends a hedge, and size its phases: what is owed is bought with the wallet's quote, or first with collateral."""

from decimal import Decimal

from msgspec.structs import replace

from pipeline.act.foresight import Market
from pipeline.book.inventory import Stock
from pipeline.errors import HedgeError
from pipeline.hedge.port import HedgeChange, HedgeMove
from pipeline.math.fixed_point import div_up
from pipeline.messages.policy import Policy
from pipeline.state.shard import Shard
from pipeline.units import Address, RawAmount, Seconds, Wei
from pipeline.venues.hedging.emergency import names_of
from pipeline.venues.hedging.goal import HedgeTerms, need_hedge
from pipeline.venues.hedging.sizes import NOTHING, HedgePlaces, Sized, Sizing

_LEAST_PARTS = 1_000
"""Such a part of what is missing a plan must bring: less is not worth its gas."""
_SPARE_PERCENT = 101
"""So much of the quote that is missing is withdrawn: the price goes on until the purchase is mined."""
_SPARE_HEALTH_BPS = 100
"""So far above the warning level health stays: the price goes on until what was withdrawn has repaid."""


# ------------------------------------------------------------------ which way
def move_to_close(at: HedgePlaces, shard: Shard, policy: Policy, stock: Stock) -> HedgeMove:
    """Choose what an end begins with: what the wallet has, or collateral, where that brings more and the wallet does not suffice.

    Where the position is not repaid by a purchase there is one way. Prices are spot, without fee and impact.
    Raises: HedgeError where neither brings anything worth its gas, with the amount that is missing; PipelineError.
    """
    if "buy" not in names_of(at.venue, policy, "close"):
        return "close"
    market = Market(now_s=Seconds(0), base_fee_wei=Wei(0), base_price=stock.base_price)
    sizing = Sizing(at, shard, policy, market, net=stock.base_amount, move="close")
    needed = base_to_buy(sizing)
    if not needed:
        return "close"
    cost, has = stock.base_price.value(needed) + 1, sizing.wallet.quote  # a dust of base costs something, too
    if has >= cost:
        return "close"
    wallet = has + stock.base_price.value(min(sizing.wallet.base, sizing.held.size))
    sells = names_of(at.venue, policy, "close_from_collateral")
    withdrawn = _withdrawable_now(sizing) if sells else 0
    if max(wallet, withdrawn) * _LEAST_PARTS < cost:
        why = (
            _why_none(sizing, shard, at)
            if sells
            else f"no plan sells the collateral, {_symbol(policy, policy.collateral_token)}"
        )
        raise HedgeError(_what_is_missing(policy, needed, cost - has, why))
    return "close_from_collateral" if withdrawn > wallet else "close"


def _why_none(sizing: Sizing, shard: Shard, at: HedgePlaces) -> str:
    """Explain why no collateral may be withdrawn to buy with."""
    if not sizing.held.collateral:
        return "there is no collateral"
    found = at.venue.unfit(shard, sizing.policy, HedgeChange(collateral=-sizing.held.collateral))
    return "health leaves no collateral to withdraw" if found is None else found.detail


def _what_is_missing(policy: Policy, base: int, quote: int, why: str) -> str:
    """Describe which amount of which token ends the hedge, and why collateral does not pay for it."""
    return (
        f"the wallet lacks {_whole(policy, policy.quote, quote)} to buy the {_whole(policy, policy.base, base)} that it lacks to repay, "
        f"at spot, and {why}: bring that, or {_symbol(policy, policy.base)}; a part of it is used as it comes"
    )


def _whole(policy: Policy, token: Address, raw: int) -> str:
    """Write an amount in whole tokens, exactly."""
    return f"{Decimal(raw).scaleb(-policy.decimals(token)):f} {_symbol(policy, token)}"


def _symbol(policy: Policy, token: Address) -> str:
    return next((each.symbol for each in policy.tokens if each.address == token), token)


# ------------------------------------------------------------------ what each phase moves
def base_to_buy(sizing: Sizing) -> RawAmount:
    """Return what the wallet lacks of all that may be owed once a purchase, and then the repayment, is mined."""
    until_repaid = sizing.with_interest(sizing.with_interest(sizing.held.size))
    return RawAmount(max(until_repaid - sizing.wallet.base, 0)) if sizing.held.size else RawAmount(0)


def bought_to_close(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Buy all that is owed, with what may still come to it, as far as the wallet's quote goes.

    Raises: HedgeError where that buys nothing, and the wallet has no base either that repays.
    """
    del terms
    try:
        return sizing.affordable(base_to_buy(sizing))
    except HedgeError:
        if sizing.wallet.base:
            return NOTHING
        raise


def repaid_to_close(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Repay whatever is owed when it is mined, where the wallet has enough for it.

    Half of what may come to the debt suffices: what was bought for it was counted on an earlier block.
    """
    del terms
    size, has = sizing.held.size, sizing.wallet.base
    most = sizing.with_interest(size)
    if size and 2 * has >= size + most:
        return Sized(amount=RawAmount(min(most, has)), everything=True)
    return Sized(amount=RawAmount(min(size, has)))


def withdrawn_to_close(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Take back all collateral once nothing is owed."""
    held = sizing.held
    if held.size:
        return sizing.withdrawn(terms)
    sized = sizing.paid_out(held.collateral)
    return replace(sized, everything=sized.amount == held.collateral)


def withdrawn_to_buy_back(sizing: Sizing, terms: HedgeTerms) -> Sized:
    """Take out the collateral that buys what the wallet's quote does not, as far as health and the venue allow. Rounds: up.

    Raises: SwapLimitedError where nothing could be bought now.
    """
    del terms
    base = base_to_buy(sizing)
    missing = sizing.costs(sizing.trade(-base)) - sizing.wallet.quote if base else 0
    if missing <= 0:
        return NOTHING
    most = sizing.withdrawn_down_to(_least_health_bps(sizing)).amount
    return Sized(amount=RawAmount(min(div_up(missing * _SPARE_PERCENT, 100), most)))


def _withdrawable_now(sizing: Sizing) -> int:
    """Return how much collateral health and venue let be withdrawn to buy with; 0 where the venue pays nothing out."""
    paid_out = sizing.secured.most_withdrawn(sizing.held.collateral)
    return min(sizing.withdrawn_down_to(_least_health_bps(sizing)).amount, paid_out)


def _least_health_bps(sizing: Sizing) -> int:
    """Return the health factor that a withdrawal leaves until it has repaid: just above the warning level, so that nobody is alerted.

    Where health is no better than that, half of its way to `act` is left: below `act` the collateral would be supplied again. Either is at the
    floor at least; the gap is not kept for the blocks until the purchase.
    """
    hedge, health_bps = need_hedge(sizing.policy), sizing.secured.health_bps()
    if health_bps is None:
        return hedge.floor_bps
    least_bps = hedge.warn_bps + _SPARE_HEALTH_BPS
    if health_bps < least_bps + _SPARE_HEALTH_BPS:
        least_bps = (health_bps + hedge.act_bps + 1) // 2
    return max(least_bps, hedge.floor_bps)
