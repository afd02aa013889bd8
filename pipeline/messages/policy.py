"""The policy of a book: what the book consists of and how to keep it. It is an event, so that a replay has it too."""

from hashlib import sha256
from typing import Any, Literal

import msgspec

from pipeline.fee_tiers import slippage_bps_of, spot_log_bps_of
from pipeline.messages.chain_profile import UNISWAP_V3, AddressName, ChainProfile, PoolsAt, VenueSpec
from pipeline.messages.hedge import Hedge
from pipeline.messages.prices import Asset, FeedPrice, MeanPath, PriceHistory, PriceRing, Reference, pools_of
from pipeline.messages.signers_limits import SignersLimits
from pipeline.messages.versions import VERSION_FIELD
from pipeline.units import Address, BookId, Bps, LogBps, PoolId, RawAmount, Seconds, Wei

Mode = Literal["watch", "dry-run", "live"]


class TokenSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A token of a book: its address, symbol and decimals."""

    address: Address
    symbol: str
    decimals: int


class TargetBand(msgspec.Struct, frozen=True, kw_only=True, tag="target_band"):
    """The parameters of the strategy `target_band`, which brings the base share back once it has left its band."""

    target_share_bps: Bps = Bps(5_000)
    band_bps: Bps = Bps(1_000)
    """The half width of the band: how far the share may be from its target."""
    hysteresis_bps: Bps = Bps(200)
    """Once outside, the share counts as outside until it is this much inside the band."""
    hold_out_of_range_s: Seconds = Seconds(3_600)
    """How long all liquidity may be out of range."""
    cooldown_s: Seconds = Seconds(3_600)

    @property
    def inner_bps(self) -> int:
        """The half width of the inner band: a share that was outside the band counts as outside until it is this near to its target."""
        return self.band_bps - self.hysteresis_bps


StallPolicy = Literal["wait", "mint_as_is", "hold_and_alert"]
"""What to do when a plan cannot go on in the middle: wait; mint without the swap; leave the tokens in the wallet and publish an alert."""


LargeSwaps = Literal["split", "private", "refuse"]
"""What to do with a swap that moves the price so far that a sandwich would pay: split it into steps that are too small for
that; send it whole, through a private relay only; refuse it."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits on each action of a book. Amounts are raw quote."""

    max_cost_bps: Bps = Bps(100)
    """The most that gas, swap fee and impact of an action may cost, as a share of what it moves."""
    max_daily_cost_bps: Bps = Bps(100)
    """The most that all actions within 24 hours may cost, as a share of the book's value."""
    max_daily_gas_bps: Bps = Bps(50)
    """The most that gas alone may cost within 24 hours, as a share of the book's value."""
    max_slippage_bps: Bps | None = None
    """How far a price may be from the reference price, the pool's own time-weighted mean; None: by the reference pool's fee."""
    swap_tolerance_bps: Bps = Bps(15)
    """How far a swap's minimum may be below its output at the plan's block; of this minimum and that of the slippage the stricter counts."""
    twap_window_s: Seconds = Seconds(300)
    max_spot_from_twap_log_bps: LogBps | None = None
    """How far spot may be from the mean; None: by the reference pool's fee."""
    max_notional_quote: RawAmount | None = None
    """The most that one action may move; None: no limit."""
    max_daily_notional_quote: RawAmount | None = None
    max_actions_per_day: int = 6
    max_fee_per_gas_wei: Wei = Wei(200 * 10**9)
    max_age_blocks: int = 5
    """How many blocks after its own block an intent may be signed at most."""
    deadline_s: Seconds = Seconds(300)
    """How long after its block's timestamp a transaction may be mined at most."""
    signer: SignersLimits = SignersLimits()

    def slippage_bps(self, fee_pips: int) -> Bps:
        """Return the slippage limit in a pool with a fee."""
        return slippage_bps_of(fee_pips) if self.max_slippage_bps is None else self.max_slippage_bps

    def spot_log_bps(self, fee_pips: int) -> LogBps:
        """Return how far spot may be from the mean in a pool with a fee."""
        named = self.max_spot_from_twap_log_bps
        return spot_log_bps_of(fee_pips) if named is None else named


class Rerange(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a re-range, which moves all liquidity to a new range around the price."""

    half_width_log_bps: LogBps = LogBps(583)
    """The distance from the middle of the new range to either end; 583 is 6 %."""
    reserve_base: RawAmount = RawAmount(0)
    """The amount of base that a re-range leaves in the wallet."""
    reserve_quote: RawAmount = RawAmount(0)
    standing_base: RawAmount = RawAmount(0)
    """The allowance of base that router and position manager may each keep between plans; 0: none."""
    standing_quote: RawAmount = RawAmount(0)
    on_stall: StallPolicy = "hold_and_alert"
    stall_after_s: Seconds = Seconds(600)
    """How long a step may be refused before `on_stall` applies."""
    large_swaps: LargeSwaps = "split"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of one book: its owner, tokens and pools, and its strategy, limits and mode."""

    book: BookId
    chain: ChainProfile
    owner: Address
    """The account that holds the positions; it belongs to one book only."""
    signer: Address | None = None
    accounts: tuple[Address, ...]
    """The accounts whose balances count; the owner is one of them."""
    base: Address
    quote: Address
    tokens: tuple[TokenSpec, ...]
    """Base, quote and all other tokens of the accounts and pools."""
    quote_equivalents: tuple[Address, ...] = ()
    """Tokens that are valued at par with the quote."""
    assets: tuple[Asset, ...] | msgspec.UnsetType = msgspec.UNSET
    """Further tokens that count in the book's value; left out where there are none."""
    pools: tuple[PoolId, ...]
    pools_at: tuple[PoolsAt, ...] | msgspec.UnsetType = msgspec.UNSET
    """The pools of venues other than the first; left out where there are none."""
    reference_pool: PoolId
    """The pool of base and quote whose spot after the block values the inventory."""
    references: tuple[Reference, ...] | msgspec.UnsetType = msgspec.UNSET
    """Further prices of the base; left out where there are none."""
    publishes: tuple[PoolId, ...] = ()
    """Pools whose views this book's shard publishes."""
    price_history: PriceHistory | msgspec.UnsetType = msgspec.UNSET
    """The past prices that the shard keeps; left out where it keeps none."""
    strategy: TargetBand
    limits: Limits = Limits()
    action: Rerange = Rerange()
    hedge: Hedge | msgspec.UnsetType = msgspec.UNSET
    """The book's hedge; left out where it is not hedged."""
    mode: Mode = "dry-run"
    names: tuple[AddressName, ...] | msgspec.UnsetType = msgspec.UNSET
    """The book's addresses that its file states as names; left out where there are none."""
    policy_version: str = ""
    """The SHA-256 of everything else, in hex."""

    def decimals(self, token: Address) -> int:
        """Return a token's decimals. Raises: KeyError where the policy does not name the token."""
        for spec in self.tokens:
            if spec.address == token:
                return spec.decimals
        raise KeyError(token)

    def reserve(self, token: Address) -> RawAmount:
        """Return the amount of a token that a re-range leaves in the wallet."""
        reserves = {self.base: self.action.reserve_base, self.quote: self.action.reserve_quote}
        return reserves.get(token, RawAmount(0))

    def standing(self, token: Address) -> RawAmount:
        """Return the allowance of a token that a spender may keep between plans."""
        bounds = {self.base: self.action.standing_base, self.quote: self.action.standing_quote}
        return bounds.get(token, RawAmount(0))

    @property
    def collateral_token(self) -> Address:
        """Return the token that secures the book's hedge: the quote unless the policy names another."""
        return self.hedge.collateral or self.quote if self.hedge else self.quote

    def carries_plans_of(self, before: "Policy") -> bool:
        """Return whether a plan that was opened under a former policy of the book may go on under this one."""
        here, there = (
            (p.owner, p.signer, p.base, p.quote, p.collateral_token, p.reference_pool, *p.acted_at())
            for p in (self, before)
        )
        return self.mode == "live" and here == there

    def all_pools(self) -> tuple[PoolId, ...]:
        """List the book's pools and those that price its tokens, without repetition, in the policy's order."""
        if not (self.assets or self.references):
            return tuple(dict.fromkeys((*self.pools, self.reference_pool)))
        more = tuple(pool for _, each in self.all_references() for pool in pools_of(each.price))
        return tuple(dict.fromkeys((*self.pools, *self.pricing_pools(), *more)))

    def pools_of(self, venue: str) -> tuple[PoolId, ...]:
        """List the pools among `all_pools` that belong to a venue."""
        if not self.pools_at:
            return self.all_pools() if venue == UNISWAP_V3 else ()
        return tuple(pool for pool in self.all_pools() if self.venue_of(pool) == venue)

    def venue_of(self, pool: PoolId) -> str:
        """Return the name of the venue to which a pool belongs."""
        return next((each.venue for each in self.pools_at or () if pool in each.pools), UNISWAP_V3)

    def acting_venue(self) -> str:
        """Return the name of the venue at which the book makes re-ranges: its reference pool's."""
        return self.venue_of(self.reference_pool)

    def acted_at(self) -> tuple[VenueSpec | None, ...]:
        """List the venues at which the book acts: its reference pool's and its hedge's."""
        return tuple(
            map(self.chain.venue, (self.acting_venue(), *([self.hedge.venue] if self.hedge else [])))
        )

    def known_assets(self) -> tuple[Asset, ...]:
        """List the assets: the priced tokens other than base, quote and its equivalents."""
        return self.assets or ()

    def pricing_pools(self) -> tuple[PoolId, ...]:
        """List the pools that value the book's tokens: the reference pool and the pools of price paths."""
        return self.reference_pool, *self.price_path_pools()

    def price_path_pools(self) -> tuple[PoolId, ...]:
        """List the pools of the assets' price paths."""
        return tuple(pool for asset in self.known_assets() for pool in pools_of(asset.spot))

    def all_references(self) -> tuple[tuple[Address, Reference], ...]:
        """List the references that spot must be near before the book acts, each with its token."""
        of_base = [(self.base, each) for each in self.references or ()]
        return (*of_base, *((a.token, each) for a in self.known_assets() for each in a.references or ()))

    def value_feeds(self) -> tuple[FeedPrice, ...]:
        """List the price feeds that value the book's assets."""
        return tuple(each.spot for each in self.known_assets() if isinstance(each.spot, FeedPrice))

    def feeds(self) -> tuple[FeedPrice, ...]:
        """List all price feeds of the book's tokens, references included."""
        prices = (each.price for _, each in self.all_references())
        return (*self.value_feeds(), *(each for each in prices if isinstance(each, FeedPrice)))

    def price_rings(self) -> tuple[PriceRing, ...]:
        """List the rings of past prices that the book needs: those of its means and of its price history."""
        means = [each.price for _, each in self.all_references() if isinstance(each.price, MeanPath)]
        rings = [ring for mean in means for ring in mean.rings()]
        history = self.price_history
        if history:
            rings += [PriceRing(pool, history.every_s, history.slots) for pool in self.all_pools()]
        return tuple(rings)

    def all_addresses(self) -> frozenset[Address]:
        """List every address in the book's file, and those that it takes from the chain's file."""
        of_venues = (each.address for venue in self.chain.all_venues() for each in venue.contracts)
        contracts = (self.chain.wrapped_native, self.signer, *of_venues)
        tokens = (token.address for token in self.tokens)
        feeds = (each.feed for each in self.feeds())
        uptime = self.chain.sequencer.feed if self.chain.sequencer else None
        named = (*self.accounts, *tokens, *self.all_pools(), *feeds, uptime, *contracts)
        return frozenset(address for address in named if address is not None)

    def name_of(self, address: Address) -> str | None:
        """Return the name that the book's file gives an address; None where it states the address."""
        return next((each.name for each in self.known_names() if each.address == address), None)

    def known_names(self) -> tuple[AddressName, ...]:
        """List the names in the book's file; empty where it states addresses only."""
        return self.names or ()


def version_of(policy: Policy) -> str:
    """Compute a policy's version: the SHA-256 of its JSON without version and defaults, with sorted names, in hex.

    What has its default is left out, so a field that a later release adds changes no version that there is.
    """
    fields = _told(policy)
    fields.pop("policy_version", None)
    fields.pop(VERSION_FIELD, None)
    return sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()


def _told(value: msgspec.Struct) -> dict[str, Any]:
    """Convert a part of a policy to JSON values, without the fields that have their defaults."""
    told = dict(_tag(value))
    for field in msgspec.structs.fields(value):
        said = _plain(getattr(value, field.name))
        if field.required or said != _plain(field.default):
            told[field.encode_name] = said
    return told


def _tag(value: msgspec.Struct) -> list[tuple[str, Any]]:
    config = value.__struct_config__
    return [] if config.tag_field is None else [(config.tag_field, config.tag)]


def _plain(said: Any) -> Any:
    if said is msgspec.UNSET:
        return None
    if isinstance(said, msgspec.Struct):
        return _told(said)
    if isinstance(said, tuple):
        return [_plain(each) for each in said]
    return msgspec.to_builtins(said)
