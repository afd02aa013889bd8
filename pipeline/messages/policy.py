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
    """A token whose balances count."""

    address: Address
    symbol: str
    decimals: int


class TargetBand(msgspec.Struct, frozen=True, kw_only=True, tag="target_band"):
    """Parameters of the strategy of that name: bring the base share back once it has left its band."""

    target_share_bps: Bps = Bps(5_000)
    band_bps: Bps = Bps(1_000)
    """Half width: the share may be this far from the target."""
    hysteresis_bps: Bps = Bps(200)
    """Once outside, the share counts as outside until it is this much inside the band."""
    hold_out_of_range_s: Seconds = Seconds(3_600)
    """All liquidity may be out of range this long."""
    cooldown_s: Seconds = Seconds(3_600)

    @property
    def inner_bps(self) -> int:
        """Return how near to its target a share that was outside must come to count as inside again."""
        return self.band_bps - self.hysteresis_bps


StallPolicy = Literal["wait", "mint_as_is", "hold_and_alert"]
"""What to do when a step in the middle cannot go on: wait; give up the swap; leave the tokens and say so."""


LargeSwaps = Literal["split", "private", "refuse"]
"""What to do where a swap would move the price so far that a sandwich of it pays: one step after another, each too small for
that; by a relay alone, whole; not at all."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What no action may exceed. Amounts are raw quote."""

    max_cost_bps: Bps = Bps(100)
    """Gas, swap fee and impact, of what is moved."""
    max_daily_cost_bps: Bps = Bps(100)
    """The same, of all actions within 24 hours, of the book's value."""
    max_daily_gas_bps: Bps = Bps(50)
    """Gas alone, the same way."""
    max_slippage_bps: Bps | None = None
    """From the reference price, which is the pool's own time-weighted one."""
    swap_tolerance_bps: Bps = Bps(15)
    """Below what a swap would bring at its block; of the two minimums the stricter counts."""
    twap_window_s: Seconds = Seconds(300)
    max_spot_from_twap_log_bps: LogBps | None = None
    """None, here and for the slippage: by the fee of the reference pool."""
    max_notional_quote: RawAmount | None = None
    """Moved by one action."""
    max_daily_notional_quote: RawAmount | None = None
    max_actions_per_day: int = 6
    max_fee_per_gas_wei: Wei = Wei(200 * 10**9)
    max_age_blocks: int = 5
    """How many blocks after its block an intent may still be signed."""
    deadline_s: Seconds = Seconds(300)
    """After the block's time a transaction may still be mined."""
    signer: SignersLimits = SignersLimits()

    def slippage_bps(self, fee_pips: int) -> Bps:
        """Return the slippage that holds in a pool of a fee."""
        return slippage_bps_of(fee_pips) if self.max_slippage_bps is None else self.max_slippage_bps

    def spot_log_bps(self, fee_pips: int) -> LogBps:
        """Return how far spot may be from the mean in a pool of a fee."""
        named = self.max_spot_from_twap_log_bps
        return spot_log_bps_of(fee_pips) if named is None else named


class Rerange(msgspec.Struct, frozen=True, kw_only=True):
    """How a proposal is carried out: the liquidity moves to a new range about the price."""

    half_width_log_bps: LogBps = LogBps(583)
    """From the middle of the new range to either end; 583 are 6 %."""
    reserve_base: RawAmount = RawAmount(0)
    """Left in the wallet."""
    reserve_quote: RawAmount = RawAmount(0)
    standing_base: RawAmount = RawAmount(0)
    """What router and position manager may each go on being allowed to take between plans; 0: nothing."""
    standing_quote: RawAmount = RawAmount(0)
    on_stall: StallPolicy = "hold_and_alert"
    stall_after_s: Seconds = Seconds(600)
    """How long a step may be refused before `on_stall` applies."""
    large_swaps: LargeSwaps = "split"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One book: whose, of which tokens and pools, and how it is to be kept."""

    book: BookId
    chain: ChainProfile
    owner: Address
    """Holds the positions; belongs to one book only."""
    signer: Address | None = None
    accounts: tuple[Address, ...]
    """Whose balances count; the owner is one of them."""
    base: Address
    quote: Address
    tokens: tuple[TokenSpec, ...]
    """Base, quote and whatever else the accounts and pools hold."""
    quote_equivalents: tuple[Address, ...] = ()
    """Tokens that count as the quote at par."""
    assets: tuple[Asset, ...] | msgspec.UnsetType = msgspec.UNSET
    """Left out where there are none."""
    pools: tuple[PoolId, ...]
    pools_at: tuple[PoolsAt, ...] | msgspec.UnsetType = msgspec.UNSET
    """Which pools lie at another venue than the first; left out where none does."""
    reference_pool: PoolId
    """Of base and quote: its spot after the block values the inventory."""
    references: tuple[Reference, ...] | msgspec.UnsetType = msgspec.UNSET
    """Further prices of the base; left out where there are none."""
    publishes: tuple[PoolId, ...] = ()
    """Pools whose views this book's shard publishes."""
    price_history: PriceHistory | msgspec.UnsetType = msgspec.UNSET
    """Left out where no prices of the past are kept."""
    strategy: TargetBand
    limits: Limits = Limits()
    action: Rerange = Rerange()
    hedge: Hedge | msgspec.UnsetType = msgspec.UNSET
    """Left out where the book is not hedged."""
    mode: Mode = "dry-run"
    names: tuple[AddressName, ...] | msgspec.UnsetType = msgspec.UNSET
    """Of the book's addresses, those that its file has by name; left out where there are none."""
    policy_version: str = ""
    """sha256 of everything else, in hex."""

    def decimals(self, token: Address) -> int:
        """Look up a token's decimals. Raises: KeyError where the policy does not name it."""
        for spec in self.tokens:
            if spec.address == token:
                return spec.decimals
        raise KeyError(token)

    def reserve(self, token: Address) -> RawAmount:
        """Return how much of a token stays in the wallet."""
        reserves = {self.base: self.action.reserve_base, self.quote: self.action.reserve_quote}
        return reserves.get(token, RawAmount(0))

    def standing(self, token: Address) -> RawAmount:
        """Return how much of a token a spender may go on being allowed to take when no plan needs it."""
        bounds = {self.base: self.action.standing_base, self.quote: self.action.standing_quote}
        return bounds.get(token, RawAmount(0))

    @property
    def collateral_token(self) -> Address:
        """Return the token that secures its hedge: the quote, unless its section names another."""
        return self.hedge.collateral or self.quote if self.hedge else self.quote

    def carries_plans_of(self, before: "Policy") -> bool:
        """Return whether a plan that was opened under another policy of the book may go on under this one."""
        here, there = (
            (p.owner, p.signer, p.base, p.quote, p.collateral_token, p.reference_pool, *p.acted_at())
            for p in (self, before)
        )
        return self.mode == "live" and here == there

    def all_pools(self) -> tuple[PoolId, ...]:
        """List the book's pools and those that price its tokens, each once, in the policy's order."""
        if not (self.assets or self.references):
            return tuple(dict.fromkeys((*self.pools, self.reference_pool)))
        more = tuple(pool for _, each in self.all_references() for pool in pools_of(each.price))
        return tuple(dict.fromkeys((*self.pools, *self.pricing_pools(), *more)))

    def pools_of(self, venue: str) -> tuple[PoolId, ...]:
        """List those of all pools that lie at a venue."""
        if not self.pools_at:
            return self.all_pools() if venue == UNISWAP_V3 else ()
        return tuple(pool for pool in self.all_pools() if self.venue_of(pool) == venue)

    def venue_of(self, pool: PoolId) -> str:
        """Name the venue where a pool lies."""
        return next((each.venue for each in self.pools_at or () if pool in each.pools), UNISWAP_V3)

    def acting_venue(self) -> str:
        """Name the venue where the book acts: that of its reference pool."""
        return self.venue_of(self.reference_pool)

    def acted_at(self) -> tuple[VenueSpec | None, ...]:
        """Find the venues where it acts: that of its reference pool, and that of its hedge."""
        return tuple(
            map(self.chain.venue, (self.acting_venue(), *([self.hedge.venue] if self.hedge else [])))
        )

    def known_assets(self) -> tuple[Asset, ...]:
        """List the tokens beside base, quote and its equivalents that have a price."""
        return self.assets or ()

    def pricing_pools(self) -> tuple[PoolId, ...]:
        """List the pools by which its tokens are valued: the reference, and those of price paths."""
        return self.reference_pool, *self.price_path_pools()

    def price_path_pools(self) -> tuple[PoolId, ...]:
        """List the pools that value assets."""
        return tuple(pool for asset in self.known_assets() for pool in pools_of(asset.spot))

    def all_references(self) -> tuple[tuple[Address, Reference], ...]:
        """List the further prices that an action must agree with, each with its token."""
        of_base = [(self.base, each) for each in self.references or ()]
        return (*of_base, *((a.token, each) for a in self.known_assets() for each in a.references or ()))

    def value_feeds(self) -> tuple[FeedPrice, ...]:
        """List the price feeds that value assets."""
        return tuple(each.spot for each in self.known_assets() if isinstance(each.spot, FeedPrice))

    def feeds(self) -> tuple[FeedPrice, ...]:
        """List all price feeds of its tokens."""
        prices = (each.price for _, each in self.all_references())
        return (*self.value_feeds(), *(each for each in prices if isinstance(each, FeedPrice)))

    def price_rings(self) -> tuple[PriceRing, ...]:
        """List the rings of past prices that it wants kept: those of means, and of its history."""
        means = [each.price for _, each in self.all_references() if isinstance(each.price, MeanPath)]
        rings = [ring for mean in means for ring in mean.rings()]
        history = self.price_history
        if history:
            rings += [PriceRing(pool, history.every_s, history.slots) for pool in self.all_pools()]
        return tuple(rings)

    def all_addresses(self) -> frozenset[Address]:
        """List every address that the book's file has, or leaves to what is known of its chain."""
        of_venues = (each.address for venue in self.chain.all_venues() for each in venue.contracts)
        contracts = (self.chain.wrapped_native, self.signer, *of_venues)
        tokens = (token.address for token in self.tokens)
        feeds = (each.feed for each in self.feeds())
        uptime = self.chain.sequencer.feed if self.chain.sequencer else None
        named = (*self.accounts, *tokens, *self.all_pools(), *feeds, uptime, *contracts)
        return frozenset(address for address in named if address is not None)

    def name_of(self, address: Address) -> str | None:
        """Find under which name the book's file has an address."""
        return next((each.name for each in self.known_names() if each.address == address), None)

    def known_names(self) -> tuple[AddressName, ...]:
        """List the names, none where the file has addresses only."""
        return self.names or ()


def version_of(policy: Policy) -> str:
    """Digest all of a policy but its version: sha256 of its JSON with sorted names, in hex.

    What has its default is left out, so a field that a later release adds changes no version that there is.
    """
    fields = _told(policy)
    fields.pop("policy_version", None)
    fields.pop(VERSION_FIELD, None)
    return sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()


def _told(value: msgspec.Struct) -> dict[str, Any]:
    """List what a part of a policy says beyond its defaults."""
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
