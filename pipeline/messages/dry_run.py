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
"""`done`: the plan was completed. `waits`: it reached an order that somebody else must execute, which nobody does on a
fork. `stalled`: it stopped in the middle. `refused`: a gate or a guard refused it at the beginning. `failed`: it could
not be tried. `orphaned`: a reorg removed the proposal's block. `too_old`: no node has the state of that block."""


class DryRunStep(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that was mined on the fork."""

    step: Step
    at_block: BlockNumber
    succeeded: bool
    gas_used: int
    cost_wei: Wei


class BalanceChange(msgspec.Struct, frozen=True, kw_only=True):
    """By how much the owner's balance of a token has changed, after gas. `native` is the chain's coin."""

    token: Address
    delta: RawAmount


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """A book's inventory, with the fields of `BookView`."""

    holdings: tuple[Holding, ...]
    base_amount: RawAmount
    quote_amount: RawAmount
    value_quote: RawAmount
    price: Price
    """The pair's price, of its token0 in its token1; token0 is the lower address of base and quote."""
    base_share_bps: Bps
    deviation_bps: Bps


class NewPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position that the plan would have opened for the book."""

    venue: str
    """The venue's kind."""
    terms: Terms
    """The position's own data, which only the venue reads."""


class OrderAwaited(msgspec.Struct, frozen=True, kw_only=True):
    """An order for which a dry-run stopped, and the phases that it therefore did not try."""

    phase: Phase
    """The phase at which the plan waits for the order."""
    order: Order
    not_tried: tuple[Phase, ...]
    """The plan's phases after it."""


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a proposal that was carried out on a fork."""

    outcome: DryRunOutcome
    reason: str = ""
    """The cause, where the outcome is not `done`."""
    refusal: StallReason | None = None
    """The guard's reason, where a guard refused the plan."""
    blocks: int = 0
    """How many blocks were mined on the fork."""
    steps: tuple[DryRunStep, ...] = ()
    changes: tuple[BalanceChange, ...] = ()
    new_positions: tuple[NewPosition, ...] = ()
    before: Inventory | None = None
    after: Inventory | None = None
    lent_wei: Wei = Wei(0)
    """What the fork lent the owner for gas, where it had too little; not part of any amount."""
    awaits: OrderAwaited | msgspec.UnsetType = msgspec.UNSET
    """The order, where the outcome is `waits`, else left out; the other fields show the plan up to it."""


def dry_run_2(fields: Fields) -> Fields:
    """Parse the reason of a refusal out of its sentence."""
    refused = fields["outcome"] == "refused"
    return {**fields, "refusal": refusal_in(fields.get("reason", "")) if refused else None}


def dry_run_3(fields: Fields) -> Fields:
    """Replace square roots of prices by prices, and each minted NFT of Uniswap V3 by a position with its venue."""
    rest = {name: value for name, value in fields.items() if name != "minted"}
    for when in ("before", "after"):
        if rest.get(when) is not None:
            rest[when] = with_price(rest[when])
    minted = [{"venue": UNISWAP_V3, "terms": terms} for terms in fields.get("minted", ())]
    return {**rest, "new_positions": minted}


def dry_run_4(fields: Fields) -> Fields:
    """Keep all fields: no dry-run of version 3 waited for an order."""
    return fields


def upgrade_runs(name: str) -> None:
    """Register the upgrades of a message that has a dry-run in its field `run`: its version rises with the dry-run's."""
    for version, upgrade in enumerate((dry_run_2, dry_run_3, dry_run_4), 1):
        upgrades(name, version)(partial(_upgraded_run, upgrade))


def _upgraded_run(upgrade: Upgrade, fields: Fields) -> Fields:
    return {**fields, "run": upgrade(fields["run"])}
