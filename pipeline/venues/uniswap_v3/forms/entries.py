"""The entries that a shard keeps of pools and NFTs."""

from pipeline.messages.base import Entry
from pipeline.messages.views import PoolTerms
from pipeline.units import Address, GrowthX128, Liquidity, Pips, RawAmount, SqrtPriceX96, Tick


class Pool(Entry, frozen=True, kw_only=True):
    """`pool/P`: the state of a V3 pool without its ticks, observations and positions."""

    token0: Address
    token1: Address
    decimals0: int
    decimals1: int
    fee_pips: Pips
    tick_spacing: int
    sqrt_price_x96: SqrtPriceX96
    tick: Tick
    liquidity: Liquidity
    growth0_x128: GrowthX128
    growth1_x128: GrowthX128
    protocol_fees0: RawAmount
    protocol_fees1: RawAmount
    fee_protocol0: int
    """The protocol takes 1/n of the token0 fees; 0 takes nothing."""
    fee_protocol1: int
    observation_index: int
    observation_cardinality: int
    observation_cardinality_next: int

    @property
    def terms(self) -> PoolTerms:
        """The fields that never change."""
        return PoolTerms(
            tokens=(self.token0, self.token1),
            decimals=(self.decimals0, self.decimals1),
            fee_pips=self.fee_pips,
        )


class TickInfo(Entry, frozen=True, kw_only=True):
    """`tick/P/t`: an initialised tick. Its three oracle fields are not followed."""

    liquidity_gross: Liquidity
    liquidity_net: Liquidity
    outside0_x128: GrowthX128
    outside1_x128: GrowthX128


class OracleSlot(Entry, frozen=True, kw_only=True):
    """`observation/P/i`: one slot of the pool's ring of observations."""

    timestamp_s: int
    """Modulo 2**32; 1 in a slot that was grown and not yet written."""
    tick_cumulative: int
    seconds_per_liquidity_x128: int
    initialized: bool


class PoolPosition(Entry, frozen=True, kw_only=True):
    """`pool-position/P/owner/lower/upper`: what the pool itself stores of a range."""

    liquidity: Liquidity = Liquidity(0)
    inside0_last_x128: GrowthX128 = GrowthX128(0)
    inside1_last_x128: GrowthX128 = GrowthX128(0)
    owed0: RawAmount = RawAmount(0)
    owed1: RawAmount = RawAmount(0)


class NftPosition(Entry, frozen=True, kw_only=True):
    """`position/M/id`: what the position manager M stores of an NFT, and who owns it."""

    owner: Address
    pool: Address
    tick_lower: Tick
    tick_upper: Tick
    liquidity: Liquidity = Liquidity(0)
    inside0_last_x128: GrowthX128 = GrowthX128(0)
    inside1_last_x128: GrowthX128 = GrowthX128(0)
    owed0: RawAmount = RawAmount(0)
    owed1: RawAmount = RawAmount(0)
    principal_owed0: RawAmount = RawAmount(0)
    """The part of owed that came from decreases seen since the position was first read."""
    principal_owed1: RawAmount = RawAmount(0)
