"""A signer's own limits: what no intent, however it came about, may exceed."""

import msgspec

from pipeline.offers import FeeRules
from pipeline.units import Address, Bps, Seconds, Wei

GWEI = 10**9


class PricedPool(msgspec.Struct, frozen=True, kw_only=True):
    """A Uniswap V3 pool that tokens may be traded in, and whose own past price values them."""

    address: Address
    token0: Address
    token1: Address
    fee_pips: int


class SignerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one signer may be made to sign. Read from a file of the signer's, never from a topic."""

    router: Address
    position_manager: Address
    wrapped_native: Address
    pools: tuple[PricedPool, ...]
    """Their tokens are all that may be approved, traded or lost."""
    twap_window_s: Seconds = Seconds(300)
    max_loss_bps: Bps = Bps(100)
    """Of what leaves the owner, at the pool's time-weighted price."""
    max_gas_limit: int = 5_000_000
    max_gas_wei: Wei = Wei(GWEI * 10**9 // 4)
    """Gas of one transaction at the most it offers."""
    max_gas_wei_per_day: Wei = Wei(GWEI * 10**9)
    max_transactions_per_day: int = 200
    max_age_blocks: int = 50
    """An intent's own age counts where it is less."""
    max_fee_per_gas_wei: Wei = Wei(200 * GWEI)
    cancel_max_fee_per_gas_wei: Wei = Wei(300 * GWEI)
    min_tip_wei: Wei = Wei(GWEI // 10)
    max_tip_wei: Wei = Wei(20 * GWEI)
    """Whatever a node says that others pay; a cancellation may go to twice as much."""
    bump_after_blocks: int = 3
    final_depth_blocks: int = 65
    block_s: Seconds = Seconds(12)
    """Between blocks: a simulation stands so long after the head."""

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
        )
