"""What a plan is foreseen to cost, and what it has really cost. Amounts are raw quote unless their name says wei."""

import msgspec

from pipeline.messages.base import Entry
from pipeline.units import GrowthX128, Hash, Liquidity, RawAmount, Wei


class ForeseenCost(msgspec.Struct, frozen=True, kw_only=True):
    """A whole plan at the prices of the block at which it is opened; swaps are valued at the reference price."""

    gas_expected: RawAmount
    """What its transactions usually use, at the base fee of the block and the usual tip."""
    gas_at_limits: RawAmount
    """What they use at most, at the same price. The guards count this."""
    swap_fee: RawAmount
    """What the pool takes of the swap."""
    impact: RawAmount
    """What the swap loses against the reference price beyond the fee: at least 0."""
    way_back: RawAmount
    """What the new range loses when arbitrage undoes the impact."""

    @property
    def total(self) -> RawAmount:
        """Add up what the guards hold against the plan's notional."""
        return RawAmount(self.gas_at_limits + self.swap_fee + self.impact + self.way_back)

    @property
    def expected(self) -> RawAmount:
        """Add up what is paid while the plan runs: what its real cost is compared with."""
        return RawAmount(self.gas_expected + self.swap_fee + self.impact)


class RealCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan's transactions on this branch have cost so far."""

    transactions: int = 0
    """With a receipt: reverted ones and cancellations too."""
    gas_used: int = 0
    gas_wei: Wei = Wei(0)
    """Gas used times the effective price of each receipt."""
    gas_quote: RawAmount | None = RawAmount(0)
    """The same, each at the reference price of the block; None where gas has no price in base or quote."""
    swap_loss: RawAmount = RawAmount(0)
    """What went into the swaps less what came out, at the reference price; negative: the price was better."""
    missed_fees: RawAmount = RawAmount(0)
    """What the tokens would have earned in the plan's range while they lay outside."""
    blocks_outside: int = 0
    """Blocks at whose end the liquidity was withdrawn and the new range not minted."""

    @property
    def paid(self) -> RawAmount | None:
        """Add gas and swap loss up; None where gas has no price."""
        return None if self.gas_quote is None else RawAmount(self.gas_quote + self.swap_loss)


class PlanCost(Entry, frozen=True, kw_only=True):
    """`cost/book`: what the book's last plan has cost so far. Of the chain part: it rewinds with a reorg."""

    plan: str
    cost: RealCost = RealCost()
    counted: tuple[Hash, ...] = ()
    """Transactions whose receipts are in it."""
    grown_x128: tuple[GrowthX128, GrowthX128] | None = None
    """Fees for a unit of liquidity at the last block, where the tokens lay outside at its end."""
    earning: Liquidity = Liquidity(0)
    """What would have earned them: the tokens in the plan's range, diluted by themselves."""
