"""A short of the base at Aave V3: base borrowed and sold, against the quote or another token as collateral."""

from collections.abc import Mapping

from pipeline.act.allowances import APPROVE_GAS, Grant, allow
from pipeline.act.drafts import Draft, with_data
from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import CalldataError
from pipeline.hedge.port import HedgeCarry, HedgeChange, HedgeDraft, HedgeMove, HedgePosition, Misfit
from pipeline.math.fixed_point import div_up
from pipeline.messages.base import Price
from pipeline.messages.goals import APPROVE, RESET, Phase, PhaseWork, PlanPhase, Step
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call, Minimum
from pipeline.state.shard import Shard
from pipeline.units import Bps, RawAmount
from pipeline.venues.aave_v3.act.account_after import AccountNow
from pipeline.venues.aave_v3.act.calldata import EVERYTHING, read_call, write_call
from pipeline.venues.aave_v3.act.reserves import unfit
from pipeline.venues.aave_v3.deployment import AaveDeployment
from pipeline.venues.aave_v3.rays import RAY

_PHASES: Mapping[HedgeMove, tuple[Phase, ...]] = {
    "up": ("supply", "borrow", "sell"),
    "down": ("buy", "repay", "withdraw"),
    "close": ("buy", "repay", "withdraw"),
    "close_from_collateral": ("withdraw", "buy", "repay"),
    "take_back": ("repay", "supply"),
    "secure": ("repay", "supply"),
    "deleverage_free": ("withdraw", "buy", "repay"),
    "secure_from_range": ("free", "repay", "supply"),
    "secure_by_purchase": ("buy", "repay"),
    "deleverage": ("withdraw", "buy", "repay"),
}
_WORK: Mapping[Phase, PhaseWork] = {"sell": "trades", "buy": "trades", "free": "frees"}
"""What phases do that are none of the pool's own."""
_INTEREST_PARTS = 5_000
"""A debt that is repaid whole may have grown by this part of it, and two units, until that is mined: a minute at 1,000 % a year."""


class AaveHedge:
    """The account of each book's owner at one deployment."""

    step: int = 1
    takes_any_collateral: bool = True
    usual_gas: Mapping[Step, int] = {
        "supply": 220_000,
        "borrow": 260_000,
        "repay": 160_000,
        "withdraw": 145_000,
    }
    gas_limits: Mapping[Step, int] = {
        "supply": 450_000,
        "borrow": 550_000,
        "repay": 400_000,
        "withdraw": 450_000,
        APPROVE: APPROVE_GAS,
    }

    def __init__(self, at: AaveDeployment) -> None:
        """Bind it to a deployment."""
        self._at = at

    def grants(self, policy: Policy) -> tuple[Grant, ...]:
        """List base and collateral, each with the pool."""
        return (policy.base, self._at.pool), (policy.collateral_token, self._at.pool)

    def phases(self, move: HedgeMove) -> tuple[PlanPhase, ...]:
        """List the phases of a move; the last takes permissions back."""
        own = (PlanPhase(name=name, does=_WORK.get(name, "secures")) for name in _PHASES[move])
        return (*own, PlanPhase(name=RESET, does="resets"))

    # -------------------------------------------------------------- what is there
    def position(self, shard: Shard, policy: Policy) -> HedgePosition:
        """Return debt in base and what is supplied of the collateral, with interest to the block's second."""
        now = AccountNow(shard, policy, self._at)
        return HedgePosition(
            size=now.balance(policy.base).debt,
            collateral=now.balance(policy.collateral_token).collateral,
            health_bps=now.health_bps_after(HedgeChange()),
        )

    def carry(self, shard: Shard, policy: Policy) -> HedgeCarry:
        """Return the interest of debt and collateral, at the rates of the reserves' last actions."""
        now = AccountNow(shard, policy, self._at)
        debt, token = now.balance(policy.base).debt, policy.collateral_token
        return HedgeCarry(
            pays_base=div_up(debt * now.reserve(policy.base).borrow_rate_ray, RAY),
            earns=now.balance(token).collateral * now.reserve(token).liquidity_rate_ray // RAY,
        )

    def counts_bps(self, shard: Shard, policy: Policy) -> Bps:
        """Return the liquidation threshold of the collateral, the account's e-mode considered."""
        terms = AccountNow(shard, policy, self._at).terms(policy.collateral_token)
        return Bps(0) if terms is None else terms.threshold_bps

    def health_after(
        self, shard: Shard, policy: Policy, change: HedgeChange, *, base_up_bps: int = 0
    ) -> int | None:
        """Add the account up after a change, by the pool's rules."""
        return AccountNow(shard, policy, self._at).health_bps_after(change, base_up_bps=base_up_bps)

    def unfit(self, shard: Shard, policy: Policy, change: HedgeChange) -> Misfit | None:
        """Ask the configuration of both reserves, and what the collateral may be borrowed on."""
        return unfit(AccountNow(shard, policy, self._at), policy, change)

    def base_price(self, shard: Shard, policy: Policy) -> Price | None:
        """Take the oracle's."""
        now = AccountNow(shard, policy, self._at)
        pair = policy.base, policy.collateral_token
        base, collateral = (now.price(token) for token in pair)
        if not base or not collateral:
            return None
        units = [10 ** policy.decimals(token) for token in pair]
        return Price(numerator=base * units[1], denominator=collateral * units[0])

    def price_age_s(self, shard: Shard, policy: Policy) -> int | None:
        """Ask the sources of the oracle's prices."""
        now = AccountNow(shard, policy, self._at)
        ages = (now.price_age_s(token) for token in (policy.base, policy.collateral_token))
        return max((each for each in ages if each is not None), default=None)

    def carry_bps(self, shard: Shard, policy: Policy, change: HedgeChange) -> int | None:
        """Return the base's borrow rate after a change; what the collateral earns is not taken off it."""
        rate_ray = AccountNow(shard, policy, self._at).borrow_rate_ray(policy.base, change.size)
        return None if rate_ray is None else div_up(rate_ray * WHOLE_BPS, RAY)

    # -------------------------------------------------------------- transactions
    def draft(
        self, shard: Shard, policy: Policy, phase: Phase, amount: RawAmount, *, everything: bool
    ) -> tuple[Draft, ...]:
        """Make one call of the pool, and before it the approval of what it takes."""
        if amount <= 0:
            return ()
        token = policy.base if phase in {"borrow", "repay"} else policy.collateral_token
        gives = phase in {"borrow", "withdraw"}
        said = EVERYTHING if everything and phase in {"repay", "withdraw"} else amount
        call = Call(
            to=self._at.pool,
            data=write_call(phase, token, said, policy.owner),
            gas_limit=self.gas_limits[phase],
        )
        allowed = () if gives else allow(shard, policy, token, self._at.pool, amount)
        minimum = Minimum(token=token, delta=RawAmount(amount if gives else -amount))
        made = HedgeDraft(step=phase, call=call, minimums=(minimum,), change=_change(phase, amount))
        return tuple(with_data(each, policy.chain.data_gas) for each in (*allowed, made))

    def with_interest(self, size: RawAmount) -> RawAmount:
        """Return the most that a debt may be by the time that a repayment of it is mined."""
        return RawAmount(size + size // _INTEREST_PARTS + 2) if size else RawAmount(0)

    def not_allowed(self, policy: Policy, made: Draft) -> str | None:
        """Read a call of the pool back: of base or collateral as its phase has it, for the owner."""
        if made.call.to != self._at.pool:
            return f"{made.step} at {made.call.to}"
        try:
            call = read_call(made.call.data)
        except CalldataError as error:
            return str(error)
        asset = policy.base if call.name in {"borrow", "repay"} else policy.collateral_token
        if (call.name, call.asset, call.account) != (made.step, asset, policy.owner):
            return f"{call.name} of {call.asset} for {call.account}"
        return None


def _change(phase: Phase, amount: RawAmount) -> HedgeChange:
    match phase:
        case "supply":
            return HedgeChange(collateral=amount)
        case "withdraw":
            return HedgeChange(collateral=-amount)
        case "borrow":
            return HedgeChange(size=amount)
    return HedgeChange(size=-amount)
