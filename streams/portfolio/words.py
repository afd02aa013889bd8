"""Write a policy in the terms of the portfolio file: its field names and notation."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from pipeline.messages.chain_profile import ChainProfile, VenueSpec
from pipeline.messages.hedge import Hedge, HedgeBand, LawBand
from pipeline.messages.policy import Limits, Policy, Rerange, TargetBand
from pipeline.messages.prices import Asset, FeedPrice, MeanPath, Par, PriceSource, Reference
from pipeline.units import Address, Bps, LogBps, RawAmount
from streams.human_numbers import bps_text, plain_number, price_move_text, seconds_text, short

_UNSET = "unset"


def differences(before: Policy, after: Policy) -> Iterator[str]:
    """Describe field by field what of a book has changed: `strategy.band 10% -> 12%`."""
    old, new = words_of(before), words_of(after)
    for field, value in new.items():
        if old[field] != value:
            was, now = _as_different(old[field], value)
            yield f"{field} {was} -> {now}"


def address_text(policy: Policy, address: Address) -> str:
    """Shorten an address of a book so that it can be recognised, with its name where its file has one."""
    name = policy.name_of(address)
    return short(address) if name is None else f"{short(address)} ({name})"


def words_of(policy: Policy) -> Mapping[str, tuple[str, ...]]:
    """Convert a policy into the file's fields as texts. A list has several texts; addresses are whole, with their names."""
    return {
        field: tuple(_with_names(policy, word) for word in words) for field, words in _fields(policy).items()
    }


def _with_names(policy: Policy, word: str) -> str:
    for each in policy.known_names():
        word = word.replace(each.address, f"{each.address} ({each.name})")
    return word


def _fields(policy: Policy) -> Mapping[str, tuple[str, ...]]:
    return {
        "mode": (policy.mode,),
        "owner": (policy.owner,),
        "signer": _named(policy.signer),
        "accounts": policy.accounts,
        "base": (policy.base,),
        "quote": (policy.quote,),
        "tokens": tuple(f"{t.symbol} at {t.address}, {t.decimals} decimals" for t in policy.tokens),
        "quote_equivalents": policy.quote_equivalents,
        "assets": tuple(_asset(each) for each in policy.known_assets()),
        "pools": policy.pools,
        "pools_at": tuple(f"{pool} at {each.venue}" for each in policy.pools_at or () for pool in each.pools),
        "reference_pool": (policy.reference_pool,),
        "references": tuple(_reference(each) for each in policy.references or ()),
        "price_history": _price_history(policy),
        **{f"strategy.{name}": (text,) for name, text in _strategy(policy.strategy)},
        **{f"limits.{name}": (text,) for name, text in _limits(policy)},
        **{f"rerange.{name}": (text,) for name, text in _rerange(policy, policy.action)},
        **{f"hedge.{name}": (text,) for name, text in _hedge(policy)},
        **{f"chain.{name}": (text,) for name, text in _chain(policy.chain)},
        "pools that its shard publishes": policy.publishes,
    }


def _asset(asset: Asset) -> str:
    target = "any share" if asset.target_share_bps is None else bps_text(asset.target_share_bps)
    further = "".join(f", near {_reference(each)}" for each in asset.references or ())
    return f"{asset.token} {target} priced by {_source(asset.spot)}{further}"


def _reference(reference: Reference) -> str:
    return f"{_source(reference.price)} within {bps_text(reference.within_bps)}"


def _source(source: PriceSource) -> str:
    if isinstance(source, Par):
        return f"par with {source.unit}"
    if isinstance(source, FeedPrice):
        return f"feed {source.feed} in {source.unit}, at most {seconds_text(source.max_age_s)} old"
    pools = " ".join(source.pools)
    return (
        f"the mean over {seconds_text(source.window_s)} of {pools}" if isinstance(source, MeanPath) else pools
    )


def _price_history(policy: Policy) -> tuple[str, ...]:
    kept = policy.price_history
    return (f"{kept.slots} prices, one every {seconds_text(kept.every_s)}",) if kept else ()


def _strategy(strategy: TargetBand) -> Iterator[tuple[str, str]]:
    yield "target_share", bps_text(strategy.target_share_bps)
    yield "band", bps_text(strategy.band_bps)
    yield "hysteresis", bps_text(strategy.hysteresis_bps)
    yield "hold_out_of_range", seconds_text(strategy.hold_out_of_range_s)
    yield "cooldown", seconds_text(strategy.cooldown_s)


def _limits(policy: Policy) -> Iterator[tuple[str, str]]:
    limits: Limits = policy.limits
    yield "max_cost", bps_text(limits.max_cost_bps)
    yield "max_daily_cost", bps_text(limits.max_daily_cost_bps)
    yield "max_daily_gas", bps_text(limits.max_daily_gas_bps)
    yield "max_slippage", _share(limits.max_slippage_bps)
    yield "swap_tolerance", bps_text(limits.swap_tolerance_bps)
    yield "twap_window", seconds_text(limits.twap_window_s)
    yield "max_spot_from_twap", _move(limits.max_spot_from_twap_log_bps)
    yield "max_notional", _amount(policy, policy.quote, limits.max_notional_quote)
    yield "max_daily_notional", _amount(policy, policy.quote, limits.max_daily_notional_quote)
    yield "max_actions_per_day", str(limits.max_actions_per_day)
    yield "max_fee_gwei", plain_number(Decimal(limits.max_fee_per_gas_wei).scaleb(-9))
    yield "max_age_blocks", str(limits.max_age_blocks)
    yield "deadline", seconds_text(limits.deadline_s)
    yield "signer.max_loss", bps_text(limits.signer.max_loss_bps)
    yield "signer.max_share_of_depth", bps_text(limits.signer.max_share_of_depth_bps)
    yield "signer.twap_window", seconds_text(limits.signer.twap_window_s)
    yield "signer.swap_tolerance", bps_text(limits.signer.swap_tolerance_bps)
    yield "signer.max_gas_limit", str(limits.signer.max_gas_limit)


def _rerange(policy: Policy, action: Rerange) -> Iterator[tuple[str, str]]:
    yield "half_width", price_move_text(action.half_width_log_bps)
    yield "reserve_base", _amount(policy, policy.base, action.reserve_base)
    yield "reserve_quote", _amount(policy, policy.quote, action.reserve_quote)
    yield "standing_base", _amount(policy, policy.base, action.standing_base)
    yield "standing_quote", _amount(policy, policy.quote, action.standing_quote)
    yield "on_stall", action.on_stall
    yield "stall_after", seconds_text(action.stall_after_s)
    yield "large_swaps", action.large_swaps


def _hedge(policy: Policy) -> Iterator[tuple[str, str]]:
    hedge = policy.hedge or Hedge(venue=_UNSET)
    yield "venue", hedge.venue
    yield "collateral", policy.collateral_token if policy.hedge else _UNSET
    yield from _ratio(hedge)
    yield "keep", _amount(policy, policy.base, hedge.kept_base)
    yield "keep_share", bps_text(hedge.kept_share_bps)
    yield from _band(policy, hedge.band)
    yield "floor", _factor(hedge.floor_bps)
    yield "gap", bps_text(hedge.gap_bps)
    yield "act", _factor(hedge.act_bps)
    yield "warn", _factor(hedge.warn_bps)
    yield "largest_debt", _amount(policy, policy.base, hedge.largest_debt)
    yield "largest_step", _amount(policy, policy.base, hedge.largest_step)
    yield "oracle_within", bps_text(hedge.oracle_within_bps)
    yield "cooldown", seconds_text(hedge.cooldown_s)
    yield "pace", seconds_text(hedge.pace_s)
    yield "compensate_after", seconds_text(hedge.compensate_after_s) if hedge.compensate_after_s else _UNSET
    yield "unwound", "yes" if hedge.unwound else "no"


def _ratio(hedge: Hedge) -> Iterator[tuple[str, str]]:
    auto = hedge.auto
    yield "ratio", "auto" if auto else bps_text(hedge.ratio_bps)
    yield "horizon", seconds_text(auto.horizon_s) if auto else _UNSET
    yield "alpha", bps_text(auto.alpha_bps) if auto else _UNSET
    yield "volatility", bps_text(auto.volatility_bps) if auto else _UNSET


def _band(policy: Policy, band: HedgeBand | LawBand) -> Iterator[tuple[str, str]]:
    law, fixed = (band, None) if isinstance(band, LawBand) else (None, band)
    yield "band.act", _share(None if fixed is None else fixed.act_at_bps)
    yield "band.back", _share(None if fixed is None else fixed.back_to_bps)
    averse = None if law is None else Decimal(law.risk_aversion_permille).scaleb(-3)
    yield "band.law.risk_aversion", _UNSET if averse is None else plain_number(averse)
    yield "band.law.step_cost", _amount(policy, policy.quote, None if law is None else law.step_cost)
    yield "band.law.trade_cost", _share(None if law is None else law.trade_cost_bps)


def _factor(bps: int) -> str:
    return plain_number(Decimal(bps).scaleb(-4))


def _chain(chain: ChainProfile) -> Iterator[tuple[str, str]]:
    yield "id", str(chain.chain_id)
    yield "wrapped_native", chain.wrapped_native
    yield "position_manager", chain.position_manager
    yield "factory", chain.factory
    yield "router", chain.router or _UNSET
    yield "final_depth_blocks", str(chain.final_depth_blocks)
    yield "check_every_blocks", str(chain.check_every_blocks)
    yield "report_every_blocks", str(chain.report_every_blocks)
    yield "max_quarantined", str(chain.max_quarantined)
    yield "venues", "; ".join(map(_venue, chain.venues or ())) or _UNSET
    yield "sequencer", _sequencer(chain)
    yield "fee for posting data", f"{chain.data_fee_wei} wei, {chain.data_gas} gas"


def _sequencer(chain: ChainProfile) -> str:
    if not chain.sequencer:
        return _UNSET
    return f"uptime feed {chain.sequencer.feed}, grace {seconds_text(chain.sequencer.grace_s)}"


def _venue(venue: VenueSpec) -> str:
    contracts = ", ".join(f"{each.role} {each.address}" for each in venue.contracts)
    return f"{venue.name} of kind {venue.kind} with {contracts}"


# ------------------------------------------------------------------ values
def _named(address: Address | None) -> tuple[str, ...]:
    return () if address is None else (address,)


def _share(share: Bps | None) -> str:
    return _UNSET if share is None else bps_text(share)


def _move(move: LogBps | None) -> str:
    return _UNSET if move is None else price_move_text(move)


def _number(number: int | None) -> str:
    return _UNSET if number is None else str(number)


def _amount(policy: Policy, token: Address, raw: RawAmount | None) -> str:
    """Format an amount as the file does: in whole tokens, with their symbol."""
    if raw is None:
        return _UNSET
    spec = next((spec for spec in policy.tokens if spec.address == token), None)
    if spec is None:
        return f"{raw} raw"
    return f"{plain_number(Decimal(raw).scaleb(-spec.decimals))} {spec.symbol}"


def _as_different(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    """Shorten addresses on both sides, unless that would make them look the same."""
    was, now = _list(old, short_ones=True), _list(new, short_ones=True)
    return (was, now) if was != now else (_list(old, short_ones=False), _list(new, short_ones=False))


def _list(words: Sequence[str], *, short_ones: bool) -> str:
    shown = [_shortened(word) if short_ones else word for word in words]
    return ", ".join(shown) or _UNSET


def _shortened(text: str) -> str:
    return " ".join(_short(word) for word in text.split(" "))


def _short(word: str) -> str:
    address = word.rstrip(",")
    return f"{short(address)}{word[len(address) :]}" if address.startswith("0x") else word
