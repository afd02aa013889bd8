"""A signer's own limits: what no intent, however it came about, may exceed."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from pipeline.fee_tiers import spot_ticks_of
from pipeline.sign.gas_fees import CANCEL_GAS, FeeRules
from pipeline.units import Address, BookId, Bps, RawAmount, Seconds, Wei

GWEI = 10**9

DataFee = Literal["none", "fee", "gas"]
"""Not at all; as a fee beside the gas, as OP-stack chains do; as gas within the limit, as Arbitrum does."""


class PricedPool(msgspec.Struct, frozen=True, kw_only=True):
    """A Uniswap V3 pool that tokens may be traded in, and whose own past price values them."""

    address: Address
    token0: Address
    token1: Address
    fee_pips: int


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A Chainlink feed that prices one token of a pair in the other."""

    address: Address
    base: Address
    """Whose price the feed states, in whole tokens of `quote`."""
    quote: Address
    base_decimals: int
    quote_decimals: int
    max_age_s: Seconds
    deviation_bps: Bps = Bps(50)
    """How far the market may move before the feed must follow."""


class References(msgspec.Struct, frozen=True, kw_only=True):
    """What prices a pair beside the pool that an intent acts in, and beside the deepest pool of the pair."""

    pools: tuple[PricedPool, ...] = ()
    feeds: tuple[Feed, ...] = ()
    may_be_single: bool = False
    """A pair may be priced by one pool alone."""


class NamedFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A Chainlink feed as the signer's file names it."""

    address: Address
    base: Address
    quote: Address
    max_age_s: Seconds
    deviation_bps: Bps


class NamedReferences(msgspec.Struct, frozen=True, kw_only=True):
    """References as the signer's file names them, before anything was read of the chain."""

    pools: tuple[Address, ...] = ()
    feeds: tuple[NamedFeed, ...] = ()
    may_be_single: bool = False


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a signer's transactions may come to together, over rolling windows of block time. Amounts are raw `token`."""

    token: Address
    max_loss_per_day: RawAmount
    max_notional: RawAmount
    """Moved by one transaction."""
    max_notional_per_day: RawAmount
    max_actions_per_hour: int = 12
    """Transactions that trade or move liquidity; a plan has up to three."""


class SignerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one signer may be made to sign. Read from a file of the signer's, never from a topic."""

    router: Address
    position_manager: Address
    wrapped_native: Address
    pools: tuple[PricedPool, ...]
    """Their tokens are all that may be approved, traded or lost."""
    references: References = References()
    budget: Budget
    standing_allowances: Mapping[Address, RawAmount] = {}
    """By token, what router and position manager may each be allowed; of others, or more, only what the owner has."""
    policies: Mapping[BookId, str] | None = None
    """The only policy versions that it acts for, by book; None: any, on a devnet."""
    twap_window_s: Seconds = Seconds(300)
    max_observation_age_s: Seconds = Seconds(3_600)
    """A pool that has written no observation for longer has no price."""
    max_spot_from_twap_ticks: int | None = None
    """None: by the pool's fee."""
    max_loss_bps: Bps = Bps(100)
    """Of what leaves the owner, at the reference price that is worst for it."""
    swap_tolerance_bps: Bps = Bps(15)
    """How far below its simulated output a swap's minimum may lie."""
    max_share_of_depth_bps: Bps = Bps(1_000)
    """Of what a pool holds within 1 % of its price, one swap or mint may move."""
    max_gas_limit: int = 5_000_000
    max_gas_wei: Wei = Wei(GWEI * 10**9 // 4)
    """Gas of one nonce at the most that any of its versions offers."""
    max_gas_wei_per_day: Wei = Wei(GWEI * 10**9)
    gas_reserve_wei: Wei = Wei(GWEI * 10**9 // 20)
    """Left in the chain's coin by whatever takes value with it: no wrapping may make the owner unable to pay gas."""
    max_transactions_per_day: int = 200
    max_age_blocks: int = 50
    """An intent's own age counts where it is less."""
    max_ahead_blocks: int = 3
    """An intent of a block further above the head is refused at once; a nearer one is waited for."""
    max_deadline_s: Seconds = Seconds(900)
    """After the head's time nothing signed may still be mined: neither an intent's deadline nor its calldata's."""
    max_fee_per_gas_wei: Wei = Wei(200 * GWEI)
    cancel_max_fee_per_gas_wei: Wei = Wei(300 * GWEI)
    min_tip_wei: Wei = Wei(GWEI // 10)
    max_tip_wei: Wei = Wei(20 * GWEI)
    """Whatever a node says that others pay; a cancellation may go to twice as much."""
    bump_after_blocks: int = 3
    final_depth_blocks: int = 65
    cancel_gas: int = CANCEL_GAS
    data_fee: DataFee = "none"
    """How the chain charges for posting a transaction's data elsewhere."""
    stays_private: bool = False
    """There is a relay, and what it is given never goes to the public mempool."""
    block_s: Seconds = Seconds(12)
    """Between blocks: a simulation stands so long after the head."""

    def spot_bound_ticks(self, pool: PricedPool) -> int:
        """Tell how far a pool's price may be from a reference while anything is signed."""
        if self.max_spot_from_twap_ticks is not None:
            return self.max_spot_from_twap_ticks
        return spot_ticks_of(pool.fee_pips)

    def pools_of_pair(self, pool: PricedPool) -> tuple[PricedPool, ...]:
        """List every pool of a pool's two tokens that the file names, the given one first."""
        named = (pool, *self.pools, *self.references.pools)
        return tuple(dict.fromkeys(p for p in named if (p.token0, p.token1) == (pool.token0, pool.token1)))

    def feeds_of_pair(self, pool: PricedPool) -> tuple[Feed, ...]:
        """List the feeds that price a pool's two tokens."""
        pair = {pool.token0, pool.token1}
        return tuple(feed for feed in self.references.feeds if {feed.base, feed.quote} == pair)

    @property
    def tokens(self) -> tuple[Address, ...]:
        """List the pools' tokens, each once."""
        return tuple(dict.fromkeys(token for pool in self.pools for token in (pool.token0, pool.token1)))

    @property
    def fees(self) -> FeeRules:
        """What may be offered, and when a transaction counts as stuck."""
        return FeeRules(
            bump_after_blocks=self.bump_after_blocks,
            max_fee_per_gas_wei=self.max_fee_per_gas_wei,
            cancel_max_fee_per_gas_wei=self.cancel_max_fee_per_gas_wei,
            max_tip_wei=self.max_tip_wei,
            max_gas_wei=self.max_gas_wei,
            max_gas_wei_per_day=self.max_gas_wei_per_day,
            cancel_gas=self.cancel_gas,
        )
