"""The foreseen and the real cost of a plan. Amounts are raw quote unless their name says wei."""

import msgspec

from pipeline.messages.base import Entry
from pipeline.messages.goals import Terms
from pipeline.messages.versions import Fields, upgrades
from pipeline.units import Hash, RawAmount, Wei


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


class PlanCost(Entry, frozen=True, kw_only=True, tag_field="version", tag="2"):
    """`cost/book`: what the book's last plan has cost so far. Of the chain part: it rewinds with a reorg."""

    plan: str
    cost: RealCost = RealCost()
    counted: tuple[Hash, ...] = ()
    """Transactions whose receipts are in it."""
    outside: Terms | None = None
    """Where the tokens lay outside at the end of the last block: what would earn, and the fees that the venue had ever paid by then."""


@upgrades("PlanCost", 1)
def _plan_cost_2(fields: Fields) -> Fields:
    """Leave what only the venue looks into to it: it was Uniswap V3's."""
    rest = {name: value for name, value in fields.items() if name not in {"grown_x128", "earning"}}
    grown = fields.get("grown_x128")
    if grown is None:
        return {**rest, "outside": None}
    names = ("growth0_x128", "growth1_x128", "liquidity")
    return {**rest, "outside": dict(zip(names, (*grown, fields.get("earning", "0")), strict=True))}
