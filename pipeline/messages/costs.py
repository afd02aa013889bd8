"""The foreseen and the real cost of a plan. Amounts are raw quote unless their name says wei."""

import msgspec

from pipeline.messages.base import Entry
from pipeline.messages.goals import Terms
from pipeline.messages.versions import Fields, upgrades
from pipeline.units import Hash, RawAmount, Wei


class ForeseenCost(msgspec.Struct, frozen=True, kw_only=True):
    """The foreseen cost of a whole plan at the prices of the block that opens it; swaps are valued at the reference price. Raw quote."""

    gas_expected: RawAmount
    """The gas that its transactions usually use, at the block's base fee and the usual tip."""
    gas_at_limits: RawAmount
    """The gas that they use at most, at the same price. The guards count this."""
    swap_fee: RawAmount
    """The fee that the pool takes of the swap."""
    impact: RawAmount
    """What the swap loses against the reference price beyond the fee: at least 0."""
    way_back: RawAmount
    """What the new range loses when arbitrage undoes the impact."""

    @property
    def total(self) -> RawAmount:
        """Add up the cost that the guards compare with the plan's notional."""
        return RawAmount(self.gas_at_limits + self.swap_fee + self.impact + self.way_back)

    @property
    def expected(self) -> RawAmount:
        """Add up the cost that is paid while the plan runs, with which its real cost is compared."""
        return RawAmount(self.gas_expected + self.swap_fee + self.impact)


class RealCost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost so far of a plan's transactions on this branch. Raw quote unless the name says otherwise."""

    transactions: int = 0
    """The number of transactions with a receipt, reverted ones and cancellations included."""
    gas_used: int = 0
    gas_wei: Wei = Wei(0)
    """Gas used times the effective price of each receipt."""
    gas_quote: RawAmount | None = RawAmount(0)
    """The same in quote, each receipt at the reference price of its block; None where gas has no price in base or quote."""
    swap_loss: RawAmount = RawAmount(0)
    """What was paid into the swaps less what was received, at the reference price; negative: the swaps got a better price."""
    missed_fees: RawAmount = RawAmount(0)
    """The fees that the tokens would have earned in the plan's range while they were withdrawn."""
    blocks_outside: int = 0
    """Blocks at whose end the liquidity was withdrawn and the new range not minted."""

    @property
    def paid(self) -> RawAmount | None:
        """Add up gas and swap loss; None where gas has no price."""
        return None if self.gas_quote is None else RawAmount(self.gas_quote + self.swap_loss)


class PlanCost(Entry, frozen=True, kw_only=True, tag_field="version", tag="2"):
    """`cost/book`: the cost so far of the book's last plan. Chain part: it rewinds with a reorg."""

    plan: str
    cost: RealCost = RealCost()
    counted: tuple[Hash, ...] = ()
    """The transactions whose receipts the cost includes."""
    outside: Terms | None = None
    """Where the tokens were withdrawn at the end of the last block: the liquidity that would earn, and the fees that the venue had paid in total by then."""


@upgrades("PlanCost", 1)
def _plan_cost_2(fields: Fields) -> Fields:
    """Move the fields that only the venue reads into `outside`; in version 1 they were always Uniswap V3's."""
    rest = {name: value for name, value in fields.items() if name not in {"grown_x128", "earning"}}
    grown = fields.get("grown_x128")
    if grown is None:
        return {**rest, "outside": None}
    names = ("growth0_x128", "growth1_x128", "liquidity")
    return {**rest, "outside": dict(zip(names, (*grown, fields.get("earning", "0")), strict=True))}
