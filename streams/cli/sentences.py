"""Put each decision into one sentence, in the terms and units of a liquidity provider."""

from collections.abc import Mapping

from msgspec import UNSET, UnsetType

from pipeline.book.inventory import WHOLE_BPS
from pipeline.messages.account_alerts import AccountLiquidated, HealthLow, HealthRestored
from pipeline.messages.base import Output
from pipeline.messages.decisions import (
    BlockSetAside,
    ChainStalled,
    ChecksSkipped,
    Declined,
    PlanClosed,
    PlanOpened,
    PlanRevised,
    PlanStalled,
    PoolDrifted,
    PositionLeft,
    PositionSetApart,
    ProposalTried,
    Quarantined,
    ReadFailed,
    RebalanceProposed,
    RecordPassedOver,
    Released,
    ShardHalted,
    StepRefused,
)
from pipeline.messages.dry_run import DryRun, OrderAwaited
from pipeline.messages.goals import Goal, HedgeGoal, JointGoal
from pipeline.messages.order_alerts import OrderEndRefused, OrderEndTaken
from pipeline.messages.orders import SaidEnded
from pipeline.messages.policy import Policy
from pipeline.messages.views import Rewound
from pipeline.units import Address, Bps, RawAmount
from streams.cli import cost_words
from streams.cli.account_words import liquidated_text
from streams.cli.departure_words import left_text
from streams.cli.refusals import in_units
from streams.cli.venues.registry import shown_as
from streams.cli.wording import named_in
from streams.human_numbers import amount_text, bps_text, duration_text, factor_text
from streams.outcome_words import outcome_text

_WHY_NOT: Mapping[str, str] = {
    "not_observed": "{item} has not been read yet",
    "quarantined": "{item} is in quarantine",
    "paused": "an operator has paused {item}",
    "liquidated": "what it owed was liquidated: `evenkeel resume {item}` lets it go on",
    "plan_open": "its plan is still open",
    "watch_only": "it is only watched (mode: watch)",
    "unpriced_token": "it holds a token without a price",
    "empty_book": "it is worth nothing",
    "no_price": "{item} has no price",
    "price_too_old": "the answer of {item} is too old",
    "mean_too_short": "the mean of {item} is not known{until}: its price has not been followed for long enough",
    "prices_apart": "a price that it is valued at is too far from its reference by {item}",
    "negative_value": "it owes more than it has",
    "no_lever": "{item} is too far from its target, and no lever moves it: a re-range moves base and quote",
    "inside_band": "inside its band",
    "cooling_down": "its last proposal is younger than its cooldown",
    "sequencer_down": "the chain's sequencer is down: its prices are not those of now",
    "sequencer_grace": "the chain's sequencer has come back a short while ago: its prices do not count{until}",
    "sequencer_unknown": "{item} does not tell whether the chain's sequencer is up",
    "held_off": "the market has refused a proposal a moment ago",
    "signer_busy": "its signer waits for something else that it signed for the book",
}
_NATIVE_DECIMALS = 18


def sentence(said: Output, policy: Policy | None) -> str:
    """Say an output of `decisions.v1` in a sentence; without the book's policy, amounts stay raw."""
    match said:
        case RebalanceProposed():
            return f"{said.book}: {_share(said.base_share_bps, policy)}: would {_trade(said, policy)}"
        case Declined():
            return f"{said.book}: {_declined(said, policy)}"
        case ProposalTried():
            return f"{said.book}: a dry-run of block {said.at.number} {_tried(said.run, policy)}"
        case PlanOpened():
            moved = _amount(said.notional_quote, policy, None if policy is None else policy.quote)
            where = _goal(said.goal, policy)
            step = f", a step only: {said.cut_short}" if said.cut_short else ""
            return (
                f"{said.book}: a plan moves {moved} to {where}{step}{cost_words.foreseen_text(said, policy)}"
            )
        case PlanRevised():
            where = _goal(said.goal, policy)
            return f"{said.book}: the plan goes on to {where} instead, from {said.phase} on: {said.reason}"
        case StepRefused():
            return (
                f"{said.book}: refused at {said.phase} because {said.reason}: {in_units(said.detail, policy)}"
            )
        case PlanStalled():
            return f"{said.book}: the plan cannot go on at {said.phase}: {in_units(f'{said.reason}: {said.detail}', policy)}"
        case AccountLiquidated() | PositionLeft():
            return f"{said.book}: {_lost(said, policy)}"
        case PlanClosed():
            return f"{said.book}: the plan has ended: {outcome_text(said.outcome)}{cost_words.real_text(said, policy)}"
    return _alert(said)


def _lost(said: AccountLiquidated | PositionLeft, policy: Policy | None) -> str:
    if isinstance(said, PositionLeft):
        return left_text(said.item, said, policy)
    return liquidated_text(said, policy)


def _alert(said: Output) -> str:
    match said:
        case Quarantined():
            return f"{said.item} is in quarantine: {said.reason}"
        case Released():
            return f"{said.item} has left quarantine"
        case PoolDrifted():
            return f"pool {said.pool} differs from the chain: {'; '.join(said.differences)}"
        case ChecksSkipped():
            return f"pool {said.pool} was not checked {said.count} times in a row"
        case PositionSetApart():
            return f"{said.book}: {said.item} was sent by somebody else and is set apart: `evenkeel adopt` takes it in"
        case ReadFailed():
            return f"{said.item} cannot be read: {said.reason}"
    return _alert_of_hedge(said)


def _alert_of_hedge(said: Output) -> str:
    match said:
        case HealthLow():
            return f"{said.book}: its health factor is {factor_text(said.health_bps)}, below {factor_text(said.warn_bps)}; below {factor_text(said.act_bps)} the debt is secured at once"
        case HealthRestored(health_bps=None):
            return f"{said.book}: nothing is owed any more"
        case HealthRestored(health_bps=int(health_bps)):
            return f"{said.book}: its health factor is back at {factor_text(health_bps)}"
        case OrderEndTaken() | OrderEndRefused():
            return f"{said.book}: {_order_word(said)}"
    return _alert_of_shard(said)


def _alert_of_shard(said: Output) -> str:
    match said:
        case BlockSetAside():
            head = "no head" if said.head is None else f"head {said.head.number}"
            return f"block {said.block.number} does not attach to {head}"
        case ChainStalled():
            return f"nothing newer than the shard's head for {duration_text(said.age_s)}: {said.cause}"
        case ShardHalted():
            return f"the shard is halted: {said.reason}"
        case RecordPassedOver():
            return f"{said.record_type} cannot be read here and is passed over: {said.by}: {said.reason}"
        case Rewound():
            return f"what was said above block {said.to.number} no longer holds"
    return type(said).__name__


# ------------------------------------------------------------------ parts
def _share(share_bps: Bps, policy: Policy | None) -> str:
    if policy is None:
        return f"share {bps_text(share_bps)}"
    target, band = policy.strategy.target_share_bps, policy.strategy.band_bps
    low, high = max(target - band, 0), min(target + band, WHOLE_BPS)
    return f"share {bps_text(share_bps)}, band {bps_text(low)} to {bps_text(high)}"


def _declined(said: Declined, policy: Policy | None) -> str:
    why = _WHY_NOT.get(said.reason, f"{said.gate}: {said.reason}").replace("{item}", said.item or "it")
    why = why.replace("{until}", _until(said))
    known = "" if said.base_share_bps is None else f"{_share(said.base_share_bps, policy)}: "
    return f"{known}does nothing, {why}"


def _until(said: Declined) -> str:
    """Say for how long still, where that can be told."""
    block = said.because_of.block
    if said.until_s is UNSET or block is None:
        return ""
    return f" for another {duration_text(max(said.until_s - block.timestamp_s, 0))}"


def _trade(said: RebalanceProposed, policy: Policy | None) -> str:
    """Describe what a proposal's plan trades, and what of the hedge goes with a re-range."""
    traded, borrowed = said.base_to_buy, said.base_to_borrow
    text = f"{'buy' if traded >= 0 else 'sell'} {_base(traded, policy)}"
    if isinstance(borrowed, UnsetType):
        return text
    of_hedge = (
        f"{_base(borrowed, policy)} more borrowed" if borrowed >= 0 else f"{_base(borrowed, policy)} repaid"
    )
    return f"{text} in all, with {of_hedge} for its hedge"


def _base(raw: RawAmount, policy: Policy | None) -> str:
    return _amount(RawAmount(abs(raw)), policy, None if policy is None else policy.base)


def _amount(raw: RawAmount, policy: Policy | None, token: Address | None) -> str:
    return named_in(policy).amount(token, raw)


def _goal(goal: Goal, policy: Policy | None) -> str:
    """Describe where a plan moves to, in the words of its venue."""
    if isinstance(goal, JointGoal):
        return f"{_goal(goal.rerange, policy)}, with {_hedge(goal.hedge, policy)}"
    if isinstance(goal, HedgeGoal):
        return _hedge(goal, policy)
    return shown_as(goal.venue).place(goal.terms, policy)


def _hedge(goal: HedgeGoal, policy: Policy | None) -> str:
    """Describe how a hedge moves, and with which net exposure it ends."""
    match goal.terms:
        case {"move": "with_range", "owed": str(owed)}:
            amount = _amount(RawAmount(int(owed)), policy, None if policy is None else policy.base)
            return f"a hedge at {goal.venue} that comes to owe {amount}"
        case {"move": str(move), "net_base": str(net)}:
            amount = _amount(RawAmount(int(net)), policy, None if policy is None else policy.base)
            return f"a hedge at {goal.venue} that goes {move}, {amount} net"
    return f"a hedge at {goal.venue}"


def _tried(run: DryRun, policy: Policy | None) -> str:
    """Describe what a dry-run came to: its cost, the new range, and the share before and after."""
    if run.awaits is not UNSET:
        return _awaits(run, run.awaits, policy)
    if run.outcome != "done":
        return f"is {run.outcome.replace('_', ' ')}: {in_units(run.reason, policy)}"
    parts = [f"is done: {_took(run)}"]
    parts += [shown_as(each.venue).new_position(each.terms, policy) for each in run.new_positions]
    if run.before is not None and run.after is not None:
        lost = run.before.value_quote - run.after.value_quote
        amount = _amount(RawAmount(abs(lost)), policy, None if policy is None else policy.quote)
        parts.append(f"value {amount} {'lower' if lost >= 0 else 'higher'}, gas included")
        parts.append(
            f"share {bps_text(run.before.base_share_bps)} before, {bps_text(run.after.base_share_bps)} after"
        )
    return ", ".join(parts)


def _took(run: DryRun) -> str:
    gas_wei = sum(step.cost_wei for step in run.steps)
    word = "transaction" if len(run.steps) == 1 else "transactions"
    return f"{len(run.steps)} {word}, {amount_text(gas_wei, _NATIVE_DECIMALS, places=6)} coin of gas"


def _awaits(run: DryRun, awaited: OrderAwaited, policy: Policy | None) -> str:
    """Say for which order a dry-run waits, what it has shown until there, and what it has not."""
    order = awaited.order
    change = _amount(RawAmount(abs(order.change)), policy, None if policy is None else policy.base)
    way = "smaller" if order.change < 0 else "larger"
    names = ", ".join(step.step for step in run.steps)
    later = f"; not shown: {', '.join(awaited.not_tried)}" if awaited.not_tried else ""
    return (
        f"waits at {awaited.phase} for order {order.number}, which makes the hedge {change} {way}: on a fork nobody carries orders out; "
        f"shown until there: {_took(run)} ({names}){later}"
    )


def _order_word(said: OrderEndTaken | OrderEndRefused) -> str:
    """Report that an operator's word on an order counts, or why it does not."""
    if isinstance(said, OrderEndRefused):
        return f"that order {said.order} was {said.outcome}, as {said.by} says, does not count: {said.says}"
    match said.order.state:
        case SaidEnded(outcome=outcome, by=by, reason=reason):
            return f"order {said.order.number} was {outcome}, says {by}: {reason}"
    return f"order {said.order.number} has ended"
