"""The outcome of a proposal's dry-run on a fork."""

from functools import partial
from typing import Literal

import msgspec

from pipeline.messages.base import Price
from pipeline.messages.chain_profile import UNISWAP_V3
from pipeline.messages.former_outcomes import refusal_in
from pipeline.messages.former_prices import with_price
from pipeline.messages.goals import Phase, Step, Terms
from pipeline.messages.orders import Order
from pipeline.messages.outcomes import StallReason
from pipeline.messages.versions import Fields, Upgrade, upgrades
from pipeline.messages.views import Holding
from pipeline.units import Address, BlockNumber, Bps, RawAmount, Wei

DryRunOutcome = Literal["done", "waits", "stalled", "refused", "failed", "orphaned", "too_old"]
"""`done`: the plan came to its end. `waits`: it came to an order that somebody else carries out, and on a fork nobody
does. `stalled`: it stopped in the middle. `refused`: it never began, by a gate or
a guard. `failed`: it could not be tried. `orphaned`: its block is on no branch any more. `too_old`: nobody has
the state of its block."""


class DryRunStep(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction, as mined on the fork."""

    step: Step
    at_block: BlockNumber
    succeeded: bool
    gas_used: int
    cost_wei: Wei


class BalanceChange(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner has more of a token, gas paid. `native` is the chain's own coin."""

    token: Address
    delta: RawAmount


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """A book as `BookView` shows it."""

    holdings: tuple[Holding, ...]
    base_amount: RawAmount
    quote_amount: RawAmount
    value_quote: RawAmount
    price: Price
    """Of the pair: of its token0, the lower address of base and quote, in its token1."""
    base_share_bps: Bps
    deviation_bps: Bps


class NewPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position that the book would have now."""

    venue: str
    """Kind of the venue."""
    terms: Terms
    """What it is; only the venue looks into it."""


class OrderAwaited(msgspec.Struct, frozen=True, kw_only=True):
    """An order that a dry-run left waiting, and what it therefore does not show."""

    phase: Phase
    """At which the plan waits for it."""
    order: Order
    not_tried: tuple[Phase, ...]
    """Phases of the plan that come after it."""


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal, carried out where it moves nobody's money."""

    outcome: DryRunOutcome
    reason: str = ""
    """What it hung on, where it is not `done`."""
    refusal: StallReason | None = None
    """Why its plan may not begin, where it is `refused` and a plan would have begun."""
    blocks: int = 0
    """How many blocks were mined on the fork."""
    steps: tuple[DryRunStep, ...] = ()
    changes: tuple[BalanceChange, ...] = ()
    new_positions: tuple[NewPosition, ...] = ()
    before: Inventory | None = None
    after: Inventory | None = None
    lent_wei: Wei = Wei(0)
    """For gas, where the owner had too little; in none of the amounts."""
    awaits: OrderAwaited | msgspec.UnsetType = msgspec.UNSET
    """Where it `waits`, else left out; the rest tells what the plan had come to until there."""


def dry_run_2(fields: Fields) -> Fields:
    """Take the reason of a refusal out of the sentence that it stood in."""
    refused = fields["outcome"] == "refused"
    return {**fields, "refusal": refusal_in(fields.get("reason", "")) if refused else None}


def dry_run_3(fields: Fields) -> Fields:
    """Return prices as they are, and what was minted as what only its venue looks into: it was an NFT of Uniswap V3."""
    rest = {name: value for name, value in fields.items() if name != "minted"}
    for when in ("before", "after"):
        if rest.get(when) is not None:
            rest[when] = with_price(rest[when])
    minted = [{"venue": UNISWAP_V3, "terms": terms} for terms in fields.get("minted", ())]
    return {**rest, "new_positions": minted}


def dry_run_4(fields: Fields) -> Fields:
    """Leave as it is what no older dry-run could tell: none of them waited for an order."""
    return fields


def upgrade_runs(name: str) -> None:
    """Let a message that has a dry-run in its field `run` change its version whenever a dry-run does."""
    for version, upgrade in enumerate((dry_run_2, dry_run_3, dry_run_4), 1):
        upgrades(name, version)(partial(_upgraded_run, upgrade))


def _upgraded_run(upgrade: Upgrade, fields: Fields) -> Fields:
    return {**fields, "run": upgrade(fields["run"])}
