"""A short of the base at the toy future: margin in quote, and a size that changes by orders which a keeper executes."""

from collections.abc import Mapping

from pipeline.act.allowances import APPROVE_GAS, Grant, allow
from pipeline.act.drafts import Draft
from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import CalldataError, HedgeError
from pipeline.hedge.port import (
    HedgeCarry,
    HedgeChange,
    HedgeDraft,
    HedgeMove,
    HedgePhase,
    HedgePosition,
    HedgeVenue,
    Misfit,
)
from pipeline.hedge.settled_by_operator import order_as_said
from pipeline.messages.base import Price
from pipeline.messages.goals import APPROVE, RESET, Phase, PlanPhase, Step
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call, Minimum
from pipeline.state.shard import Shard
from pipeline.units import Address, Bps, RawAmount
from pipeline.venues.abi import declared
from worlds.toy_perp.forms import PerpAccount, PerpMarket, PerpNow, perp_account, perp_market, perp_now
from worlds.toy_perp.rules import INITIAL_BPS, MAINTENANCE_BPS, ONE, PerpAt

DEPOSIT, WITHDRAW = declared("deposit(uint256)"), declared("withdraw(uint256)")
REQUEST = declared("request(int256,uint256)")
CALL_GAS = 250_000
STEP = 10**16
"""A hundredth of an ether."""
_YEAR_S = 31_536_000
_PHASES: Mapping[HedgeMove, tuple[HedgePhase, ...]] = {
    "up": ("deposit", "increase", "settle"),
    "down": ("decrease", "settle", "withdraw"),
    "close": ("decrease", "settle", "withdraw"),
    "secure": ("deposit",),
    "deleverage": ("decrease", "settle"),
}
_CALLS: Mapping[Phase, str] = {
    "deposit": "deposit",
    "withdraw": "withdraw",
    "increase": "request",
    "decrease": "request",
}


class PerpHedge:
    step: int = STEP
    takes_any_collateral: bool = False
    usual_gas: Mapping[Step, int] = dict.fromkeys(_CALLS, 120_000)
    gas_limits: Mapping[Step, int] = {**dict.fromkeys(_CALLS, CALL_GAS), APPROVE: APPROVE_GAS, "settle": 0}

    def __init__(self, contract: Address) -> None:
        self._contract = contract

    def grants(self, policy: Policy) -> tuple[Grant, ...]:
        return ((policy.quote, self._contract),)

    def phases(self, move: HedgeMove) -> tuple[PlanPhase, ...]:
        own = (PlanPhase(name=name, does="secures") for name in _PHASES.get(move, ()))
        return (*own, PlanPhase(name=RESET, does="resets"))

    # -------------------------------------------------------------- what is there
    def _now(self, shard: Shard, policy: Policy) -> tuple[PerpAt, PerpAccount]:
        tables = shard.tables
        market = tables.need(perp_market(self._contract), PerpMarket)
        at_s = tables.need(perp_now(self._contract), PerpNow).at_s
        return PerpAt(market, at_s), tables.need(perp_account(self._contract, policy.owner), PerpAccount)

    def position(self, shard: Shard, policy: Policy) -> HedgePosition:
        now, account = self._now(shard, policy)
        return HedgePosition(
            size=account.size,
            collateral=RawAmount(now.collateral(account)),
            health_bps=now.health_bps(account),
            order=order_as_said(shard.tables, policy, account.order, account.size),
        )

    def carry(self, shard: Shard, policy: Policy) -> HedgeCarry:
        """What longs pay a short is earned; the size does not grow."""
        now, account = self._now(shard, policy)
        return HedgeCarry(pays_base=0, earns=account.size * now.market.rate * _YEAR_S // ONE)

    def carry_bps(self, shard: Shard, policy: Policy, change: HedgeChange) -> int | None:
        del change  # the rate is set from outside
        now, _ = self._now(shard, policy)
        return -(now.market.rate * _YEAR_S * WHOLE_BPS // now.market.price)

    def counts_bps(self, shard: Shard, policy: Policy) -> Bps:
        del shard, policy
        return Bps(WHOLE_BPS * WHOLE_BPS // (WHOLE_BPS + MAINTENANCE_BPS))

    def health_after(
        self, shard: Shard, policy: Policy, change: HedgeChange, *, base_up_bps: int = 0
    ) -> int | None:
        now, account = self._now(shard, policy)
        return now.health_bps(now.after(account, change), up_bps=base_up_bps)

    def unfit(self, shard: Shard, policy: Policy, change: HedgeChange) -> Misfit | None:
        """Ask the cap of all sizes together, and what margin must be there for more size or less margin."""
        now, account = self._now(shard, policy)
        left = now.market.cap - now.market.open
        if change.size > left:
            return Misfit(reason="liquidity", detail=f"of {change.size} base {left} is left of the cap")
        worse = change.size > 0 or change.collateral < 0
        if worse and not now.is_secured(now.after(account, change)):
            return Misfit(reason="loan_to_value", detail=f"less than {INITIAL_BPS} bps of the size is left")
        return None

    def base_price(self, shard: Shard, policy: Policy) -> Price | None:
        now, _ = self._now(shard, policy)
        return Price(numerator=now.market.price, denominator=ONE) if now.market.price else None

    def price_age_s(self, shard: Shard, policy: Policy) -> int | None:
        del shard, policy
        return None

    # -------------------------------------------------------------- transactions
    def draft(
        self, shard: Shard, policy: Policy, phase: Phase, amount: RawAmount, *, everything: bool
    ) -> tuple[Draft, ...]:
        del everything  # margin grows with funding alone: what is there is withdrawn in the next plan
        if amount <= 0:
            return ()
        call = Call(to=self._contract, data=self._data(shard, policy, phase, amount), gas_limit=CALL_GAS)
        if phase in {"increase", "decrease"}:
            change = HedgeChange(size=amount if phase == "increase" else -amount)
            return (HedgeDraft(step=phase, call=call, change=change),)
        signed = amount if phase == "deposit" else -amount
        minimum = Minimum(token=policy.quote, delta=RawAmount(-signed))
        allowed = () if signed < 0 else allow(shard, policy, policy.quote, self._contract, amount)
        return (
            *allowed,
            HedgeDraft(step=phase, call=call, minimums=(minimum,), change=HedgeChange(collateral=signed)),
        )

    def _data(self, shard: Shard, policy: Policy, phase: Phase, amount: int) -> str:
        if phase == "deposit":
            return DEPOSIT.calldata(amount)
        if phase == "withdraw":
            return WITHDRAW.calldata(amount)
        if amount % STEP:
            raise HedgeError(f"{amount} is no number of whole steps of {STEP}")
        now, _ = self._now(shard, policy)
        slip = policy.limits.swap_tolerance_bps * (-1 if phase == "increase" else 1)
        limit = now.market.price * (WHOLE_BPS + slip) // WHOLE_BPS
        return REQUEST.calldata(amount if phase == "increase" else -amount, limit)

    def with_interest(self, size: RawAmount) -> RawAmount:
        return size

    def not_allowed(self, policy: Policy, made: Draft) -> str | None:
        del policy  # whose account it is follows from who sends it
        if made.call.to != self._contract:
            return f"{made.step} at {made.call.to}"
        function = {"deposit": DEPOSIT, "withdraw": WITHDRAW, "request": REQUEST}[_CALLS[made.step]]
        try:
            amount, *_ = function.decode(bytes.fromhex(made.call.data.removeprefix("0x")))
        except CalldataError as error:
            return str(error)
        assert isinstance(made, HedgeDraft)
        meant = abs(made.change.collateral) or made.change.size
        return None if amount == meant else f"{made.step} of {amount}, where {meant} was meant"


def hedge_at(contract: Address) -> HedgeVenue:
    return PerpHedge(contract)
