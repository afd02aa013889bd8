"""`plans`: show each plan's expected and real cost, and their totals."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import SettingsError, TopicError
from pipeline.messages.base import BlockRef
from pipeline.messages.costs import ForeseenCost, RealCost
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Policy
from pipeline.units import BookId
from streams.cli.console import AsJson, print_json, print_line, print_table, run, say, settings_for
from streams.cli.holdings import OneBook
from streams.human_numbers import amount_text, bps_text
from streams.kafka.codec import encode
from streams.kafka.readers import reading
from streams.outcome_words import outcome_text
from streams.plan_reports import PlanTold, plans_told
from streams.policy_rollout import policies_in_force
from streams.settings import Settings
from streams.yaml_positions import did_you_mean

_NATIVE_DECIMALS = 18
_COLUMNS = (
    "plan",
    "book",
    ">opened",
    "~ended",
    ">notional",
    ">expected",
    ">paid",
    ">over",
    ">missed",
    ">outside",
    ">deviation",
)
_PARTS: Mapping[str, Sequence[str]] = {
    "foreseen": ForeseenCost.__struct_fields__,
    "cost": RealCost.__struct_fields__,
}

Policies = Mapping[BookId, Policy]


def plans(
    *,
    book: OneBook = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values, raw integers.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the plans with expected and real cost, by receipts and swaps, and the totals."""
    if as_csv and as_json:
        raise SettingsError("--csv and --json: one of them")
    found, policies = run(_read(settings_for("plans")))
    chosen = _chosen(found, book, policies)
    if as_json:
        for each in chosen:
            print_json(_json_of(each))
    elif as_csv:
        print_line(",".join(_heading()))
        for each in chosen:
            print_line(_csv_of(each, policies.get(each.opened.book)))
    elif not chosen:
        say("no plan has been opened")
    else:
        print_table("plans", _COLUMNS, [_row(each, policies.get(each.opened.book)) for each in chosen])
        print_table("in all", _TOTALS, list(_totals(chosen, policies)))


async def _read(settings: Settings) -> tuple[list[PlanTold], Policies]:
    async with reading(settings.kafka) as reader:
        found = await plans_told(reader, settings.chain)
        try:
            return found, await policies_in_force(reader, settings.chain)
        except TopicError:
            return found, {}


def _chosen(found: list[PlanTold], book: str | None, policies: Policies) -> list[PlanTold]:
    known = sorted({*policies, *(plan.opened.book for plan in found)})
    if book is not None and book not in known:
        raise SettingsError(f"--book: there is no book {book}{did_you_mean(book, list(known))}")
    return [plan for plan in found if book in {None, plan.opened.book}]


# ------------------------------------------------------------------ one by one
def _row(plan: PlanTold, policy: Policy | None) -> tuple[str, ...]:
    opened, closed = plan.opened, plan.closed
    cost = closed.cost if closed is not None else None
    return (
        opened.plan,
        opened.book,
        _time_of(opened.because_of.block),
        _ending(plan),
        _amount(opened.notional_quote, policy),
        _amount(None if opened.foreseen is None else opened.foreseen.expected, policy),
        _amount(None if cost is None else cost.paid, policy),
        _amount(None if closed is None else closed.over_foreseen, policy),
        _amount(None if cost is None else cost.missed_fees, policy),
        "" if cost is None else str(cost.blocks_outside),
        _deviations(plan),
    )


def _ending(plan: PlanTold) -> str:
    """Describe how a plan ended, or what an open one was last held back by."""
    if plan.closed is not None:
        return outcome_text(plan.closed.outcome)
    return (
        "open"
        if plan.held is None
        else f"open; last held at {plan.held.phase}: {plan.held.reason}: {plan.held.detail}"
    )


def _deviations(plan: PlanTold) -> str:
    after = None if plan.closed is None else plan.closed.deviation_after_bps
    ends = (plan.opened.deviation_bps, after)
    return " -> ".join("?" if each is None else bps_text(each) for each in ends)


def _amount(raw: int | None, policy: Policy | None) -> str:
    """Show an amount of quote; unknown is empty, never 0."""
    if raw is None:
        return ""
    return f"{raw} raw" if policy is None else amount_text(raw, policy.decimals(policy.quote), places=2)


def _time_of(block: BlockRef | None) -> str:
    return "" if block is None else f"{datetime.fromtimestamp(block.timestamp_s, UTC):%Y-%m-%d %H:%M}"


# ------------------------------------------------------------------ in all
_TOTALS = (
    "quote",
    ">plans",
    ">done",
    ">with costs",
    ">notional",
    ">expected",
    ">paid",
    ">of notional",
    ">over",
    ">missed",
    ">gas in coin",
)


def _totals(found: Iterable[PlanTold], policies: Policies) -> Iterator[tuple[str, ...]]:
    """Add up by quote, for amounts of different tokens make no sum; books without a policy stand alone."""
    groups: dict[str, list[PlanTold]] = {}
    for each in found:
        policy = policies.get(each.opened.book)
        groups.setdefault(each.opened.book if policy is None else policy.quote, []).append(each)
    for plans_of in groups.values():
        yield _total(plans_of, policies.get(plans_of[0].opened.book))


def _total(found: Sequence[PlanTold], policy: Policy | None) -> tuple[str, ...]:
    """Sum the plans whose costs are known, before and after; the others are counted only."""
    ended = [each.closed for each in found if each.closed is not None]
    known = [each for each in found if each.closed is not None and each.closed.over_foreseen is not None]
    costs = [each.closed.cost for each in known if each.closed is not None and each.closed.cost is not None]
    notional = sum(each.opened.notional_quote for each in known)
    expected = sum(each.opened.foreseen.expected for each in known if each.opened.foreseen is not None)
    paid = sum(cost.paid or 0 for cost in costs)
    symbol = "raw" if policy is None else next(t.symbol for t in policy.tokens if t.address == policy.quote)
    return (
        symbol,
        str(len(found)),
        str(len([each for each in ended if isinstance(each.outcome, Done)])),
        str(len(known)),
        _amount(notional, policy),
        _amount(expected, policy),
        _amount(paid, policy),
        f"{paid * WHOLE_BPS / notional:.1f} bps" if notional else "",
        _amount(paid - expected, policy),
        _amount(sum(cost.missed_fees for cost in costs), policy),
        amount_text(sum(cost.gas_wei for cost in costs), _NATIVE_DECIMALS, places=6),
    )


# ------------------------------------------------------------------ for programs
def _json_of(plan: PlanTold) -> str:
    parts = {"opened": plan.opened, "closed": plan.closed, "held": plan.held}
    told = (
        f'"{name}":{encode(each).decode() if each is not None else "null"}' for name, each in parts.items()
    )
    return f"{{{','.join(told)}}}"


def _heading() -> list[str]:
    parts = [f"{part}_{name}" for part, names in _PARTS.items() for name in names]
    plain = ["plan", "book", "opened_at_s", "trigger", "outcome", "quote", "quote_decimals", "notional_quote"]
    return [*plain, *parts, "over_foreseen", "deviation_before_bps", "deviation_after_bps"]


def _csv_of(plan: PlanTold, policy: Policy | None) -> str:
    opened, closed = plan.opened, plan.closed
    block = opened.because_of.block
    cells: list[object] = [opened.plan, opened.book, block and block.timestamp_s, opened.trigger]
    cells += [
        closed and outcome_text(closed.outcome),
        policy and policy.quote,
        policy and policy.decimals(policy.quote),
        opened.notional_quote,
    ]
    values = {"foreseen": opened.foreseen, "cost": closed and closed.cost}
    cells += [getattr(values[part], name, None) for part, names in _PARTS.items() for name in names]
    cells += [closed and closed.over_foreseen, opened.deviation_bps, closed and closed.deviation_after_bps]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow("" if cell is None else str(cell) for cell in cells)
    return line.getvalue()
