"""Make the events of a portfolio file: each book's policy, complete and with its version."""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from pydantic import ValidationError

from contracts_abi.chains import known_chains
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.policy import (
    Limits,
    Policy,
    Rerange,
    TargetBand,
    TokenSpec,
    version_of,
)
from pipeline.messages.prices import PriceHistory
from pipeline.messages.signers_limits import SignersLimits
from pipeline.units import Address, ChainId, RawAmount, Wei
from streams.chain_numbers import ChainNumbers
from streams.portfolio.checks import problems_in, slots_of
from streams.portfolio.hedges import hedge_of, problems_in_hedge
from streams.portfolio.names import Collecting, Lookup, Resolved, lookup_in, names_of
from streams.portfolio.price_sources import FeedAges, assets_of, references_of
from streams.portfolio.raw import raw_of
from streams.portfolio.sections import BookSection, ChainSection, Portfolio, TargetBandSection
from streams.portfolio.venues import (
    pools_at,
    problems_in_acting,
    problems_in_contracts,
    problems_in_deployments,
    venue_specs,
)
from streams.yaml_positions import Document, FieldPath, Problem, problems_of, read_yaml

_CONTRACTS = ("wrapped_native", "position_manager", "factory")


def names_in(text: str, file: str) -> tuple[ChainId, frozenset[str]]:
    """Find the names that a portfolio file has in place of addresses, and the chain on which they are resolved.

    Raises: SettingsError naming file, line, column and field of what is wrong however the names resolve.
    """
    collecting = Collecting()
    portfolio = _validated(read_yaml(text, file), collecting)
    return portfolio.chain.id, frozenset(collecting.names)


def load_portfolio(
    text: str, file: str, *, devnet: ChainProfile | None = None, names: Resolved = MappingProxyType({})
) -> tuple[Policy, ...]:
    """Read a portfolio file into the policies of its books, in the file's order.

    Raises: SettingsError naming file, line, column and field of everything that is wrong.
    """
    document = read_yaml(text, file)
    portfolio = _validated(document, lookup_in(names))
    problems = list(problems_in(portfolio))
    if problems:
        raise document.refuse(problems)
    chain = _profile(portfolio.chain, document, devnet)
    made = policies(portfolio, chain, names)
    problems = [*problems_in_deployments(chain, portfolio.chain.venues)]
    for i, policy in enumerate(made):
        problems += [
            *_what_acting_needs(policy, ("books", i)),
            *problems_in_contracts(policy, portfolio.chain),
        ]
    if problems:
        raise document.refuse(problems)
    return made


def _validated(document: Document, lookup: Lookup) -> Portfolio:
    value = document.value if document.value is not None else {}
    try:
        return Portfolio.model_validate(value, context=lookup)
    except ValidationError as error:
        raise document.refuse(problems_of(error, Portfolio)) from None


def policies(
    portfolio: Portfolio, chain: ChainProfile, names: Resolved = MappingProxyType({})
) -> tuple[Policy, ...]:
    """Complete each book: its pools' views are published by the first book in the file that names them."""
    published: set[Address] = set()
    made, numbers, ages = [], portfolio.chain.numbers(), portfolio.chain.feed_ages()
    for book in portfolio.books:
        policy = _policy(book, chain, numbers, ages)
        policy = msgspec.structs.replace(
            policy, names=names_of(policy.all_addresses(), names) or msgspec.UNSET
        )
        publishes = tuple(pool for pool in policy.all_pools() if pool not in published)
        published.update(publishes)
        made.append(publishing(policy, publishes))
    return tuple(made)


def _what_acting_needs(policy: Policy, path: FieldPath) -> Iterator[Problem]:
    """Find what would stop a live book in the middle of a plan, or for ever."""
    yield from problems_in_acting(policy, path)
    yield from problems_in_hedge(policy, path)
    if policy.mode != "live":
        return
    if policy.chain.wrapped_native not in {policy.base, policy.quote}:
        says = "live only where base or quote is the wrapped native token: gas has no price otherwise"
        yield Problem((*path, "mode"), says)


def publishing(policy: Policy, pools: Collection[Address]) -> Policy:
    """Set which pools' views the book's shard publishes, and compute the policy's version again."""
    unversioned = msgspec.structs.replace(policy, publishes=tuple(pools), policy_version="")
    return msgspec.structs.replace(unversioned, policy_version=version_of(unversioned))


def _policy(book: BookSection, chain: ChainProfile, numbers: ChainNumbers, ages: FeedAges) -> Policy:
    return Policy(
        book=book.book,
        chain=chain,
        owner=book.owner,
        signer=book.signer,
        accounts=tuple(dict.fromkeys((book.owner, *book.accounts))),
        base=_address(book, book.base),
        quote=_address(book, book.quote),
        tokens=tuple(TokenSpec(address=t.address, symbol=t.symbol, decimals=t.decimals) for t in book.tokens),
        quote_equivalents=tuple(
            name
            for name in (_address(book, n) for n in book.quote_equivalents)
            if name != _address(book, book.quote)
        ),
        assets=assets_of(book, ages) or msgspec.UNSET,
        pools=book.pools,
        pools_at=pools_at(book) or msgspec.UNSET,
        reference_pool=book.reference_pool,
        references=references_of(book, book.references, ages),
        price_history=_price_history(book),
        strategy=_strategy(book.strategy),
        limits=_limits(book, numbers),
        action=_rerange(book),
        hedge=hedge_of(book),
        mode=book.mode,
    )


def _price_history(book: BookSection) -> PriceHistory | msgspec.UnsetType:
    kept = book.price_history
    return PriceHistory(every_s=kept.every, slots=slots_of(kept)) if kept else msgspec.UNSET


def _address(book: BookSection, name: str) -> Address:
    token = book.token(name)
    assert token is not None, "checked before"
    return token.address


def _strategy(section: TargetBandSection) -> TargetBand:
    return TargetBand(
        target_share_bps=section.target_share,
        band_bps=section.band,
        hysteresis_bps=section.hysteresis,
        hold_out_of_range_s=section.hold_out_of_range,
        cooldown_s=section.cooldown,
    )


def _limits(book: BookSection, numbers: ChainNumbers) -> Limits:
    section = book.limits
    return Limits(
        max_cost_bps=section.max_cost,
        max_daily_cost_bps=section.max_daily_cost,
        max_daily_gas_bps=section.max_daily_gas,
        max_slippage_bps=section.max_slippage,
        swap_tolerance_bps=section.swap_tolerance,
        twap_window_s=section.twap_window,
        max_spot_from_twap_log_bps=section.max_spot_from_twap,
        max_notional_quote=raw_of(book, book.quote, section.max_notional),
        max_daily_notional_quote=raw_of(book, book.quote, section.max_daily_notional),
        max_actions_per_day=section.max_actions_per_day,
        max_fee_per_gas_wei=Wei(section.max_fee_gwei * 10**9),
        max_age_blocks=section.max_age_blocks or numbers.intent_age_blocks,
        deadline_s=section.deadline,
        signer=SignersLimits(
            max_loss_bps=section.signer.max_loss,
            max_share_of_depth_bps=section.signer.max_share_of_depth,
            twap_window_s=section.signer.twap_window,
            swap_tolerance_bps=section.signer.swap_tolerance,
            max_gas_limit=section.signer.max_gas_limit,
        ),
    )


def _rerange(book: BookSection) -> Rerange:
    section = book.rerange
    return Rerange(
        half_width_log_bps=section.half_width,
        reserve_base=raw_of(book, book.base, section.reserve_base) or RawAmount(0),
        reserve_quote=raw_of(book, book.quote, section.reserve_quote) or RawAmount(0),
        standing_base=raw_of(book, book.base, section.standing_base) or RawAmount(0),
        standing_quote=raw_of(book, book.quote, section.standing_quote) or RawAmount(0),
        on_stall=section.on_stall,
        stall_after_s=section.stall_after,
        large_swaps=section.large_swaps,
    )


def _profile(section: ChainSection, document: Document, devnet: ChainProfile | None) -> ChainProfile:
    known = _known_contracts(section, devnet)
    contracts: dict[str, Any] = {name: getattr(section, name) or known.get(name) for name in _CONTRACTS}
    unknown = [name for name, address in contracts.items() if address is None]
    if unknown:
        says = f"missing: no deployment is known for chain {section.id}"
        raise document.refuse([Problem(("chain", name), says) for name in unknown])
    numbers = section.numbers()
    return ChainProfile(
        data_fee_wei=numbers.data_fee_wei,
        data_gas=numbers.data_gas,
        chain_id=section.id,
        wrapped_native=contracts["wrapped_native"],
        position_manager=contracts["position_manager"],
        factory=contracts["factory"],
        router=section.router or known.get("router"),
        final_depth_blocks=section.final_depth_blocks or numbers.final_depth_blocks,
        check_every_blocks=section.check_every_blocks,
        report_every_blocks=section.report_every_blocks,
        max_quarantined=section.max_quarantined,
        venues=venue_specs(section) or msgspec.UNSET,
        sequencer=section.uptime_feed() or msgspec.UNSET,
    )


def _known_contracts(section: ChainSection, devnet: ChainProfile | None) -> Mapping[str, Address]:
    """List the contracts that the section need not name: those of a chain file, of the devnet, or of a well-known chain."""
    if section.file() is None and devnet is not None and devnet.chain_id == section.id:
        return {name: getattr(devnet, name) for name in (*_CONTRACTS, "router")}
    chain = section.file() or known_chains().get(section.id)
    return {} if chain is None else {role: Address(place) for role, place in chain.contracts.places().items()}
