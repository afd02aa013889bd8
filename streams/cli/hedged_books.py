"""Compare each book's hedge with its target and band, with its cost and the split of the book's capital."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from pipeline.book.inventory import WHOLE_BPS
from pipeline.decide.hedging import hedge_shown
from pipeline.messages.orders import Cancelled, Order, Requested, SaidEnded, UnknownOrder
from pipeline.messages.policy import Policy
from pipeline.messages.views import HedgeShown, Holding
from pipeline.units import Address, RawAmount
from pipeline.venues.hedging.goal import collateral_price
from streams.cli.wording import named_in
from streams.human_numbers import bps_text
from streams.kafka.wire import wire_form
from streams.present_books import BookNow

HEDGES = (
    "book",
    ">hedged",
    ">wanted",
    ">owed",
    ">net",
    ">target",
    ">off by",
    "band",
    "~state",
)
COSTS = (
    "book",
    ">debt pays per year",
    ">collateral earns",
    ">costs per day",
    ">costs per year",
    ">of the book",
)
CAPITAL = ("book", ">earns fees", ">share", ">secures", ">share", ">in wallets", ">share")
_YEAR_DAYS = 365
_PPM_PER_BPS = 100


class Capital(NamedTuple):
    """Where what a book has lies, before what it owes is taken off. Units: raw quote, at the prices of now."""

    earns: int
    """In positions, with their fees."""
    secures: int
    """At lending markets, and what stands against a short elsewhere."""
    waits: int
    """In wallets."""

    @property
    def whole(self) -> int:
        """Add it up."""
        return self.earns + self.secures + self.waits


class Carry(NamedTuple):
    """What a hedge costs at the rates of now, without compounding. Units: raw quote per year; below 0 it brings something."""

    pays: int
    earns: int

    @property
    def a_year(self) -> int:
        """What is left to pay."""
        return self.pays - self.earns

    @property
    def a_day(self) -> int:
        """The same of a day. Rounds: up."""
        return -(-self.a_year // _YEAR_DAYS)


def shown_of(book: BookNow) -> HedgeShown | None:
    """Return how a book's hedge stands; None where it has none, or that is not known."""
    if book.stock is None:
        return None
    return hedge_shown(book.at.shard, book.policy, book.stock) or None


def capital_of(book: BookNow) -> Capital:
    """Split what a book has of the tokens that have a price. Rounds: down, token by token."""
    stock = book.stock
    found = [0, 0, 0]
    for holding in stock.holdings if stock is not None else ():
        price = stock.prices.get(holding.token) if stock is not None else None
        for place, raw in enumerate(_parts(holding)):
            found[place] += 0 if price is None else price.value(raw)
    return Capital(*found)


def _parts(holding: Holding) -> tuple[int, int, int]:
    supplied = 0 if isinstance(holding.collateral, msgspec.UnsetType) else int(holding.collateral)
    return holding.principal + holding.fees, supplied, holding.wallet + holding.native


def carry_of(book: BookNow, shown: HedgeShown) -> Carry:
    """Value what a hedge pays and earns per year. Rounds: what is paid up, what is earned down."""
    assert book.stock is not None, "what is not known is not shown"
    price, secures = book.stock.base_price, collateral_price(book.policy, book.stock.prices)
    return Carry(pays=-price.value(-shown.pays_base), earns=int(secures.value(shown.earns)))


# ------------------------------------------------------------------ tables
def hedge_row(book: BookNow, shown: HedgeShown) -> tuple[str, ...]:
    """Show a hedge against its target and its band."""
    policy, names = book.policy, named_in(book.policy)

    def base(raw: int) -> str:
        return names.amount(policy.base, RawAmount(raw))

    return (
        policy.book,
        bps_text(shown.ratio_bps),
        wanted_text(policy, shown),
        base(shown.size),
        base(shown.net_base),
        base(shown.target_base),
        _signed(_of_base(shown, shown.net_base - shown.target_base)),
        band_text(shown),
        state_text(shown),
    )


def band_text(shown: HedgeShown) -> str:
    """Describe how far the net exposure may be from its target, and where a step leaves it: shares of all base."""
    if shown.ends:
        return ""
    return f"±{bps_text(_of_base(shown, shown.act_at))}, back to {bps_text(_of_base(shown, shown.back_to))}"


def _of_base(shown: HedgeShown, raw: int) -> int:
    """Take a share of all base that the book has, in bps. Rounds: to the nearest."""
    long = max(shown.net_base + shown.size, 1)
    return (2 * raw * WHOLE_BPS + long) // (2 * long)


def _signed(bps: int) -> str:
    return ("+" if bps > 0 else "") + bps_text(bps)


def wanted_text(policy: Policy, shown: HedgeShown) -> str:
    """Name which ratio is wanted, and by what it was chosen."""
    if shown.ends:
        return "ended" if policy.hedge and policy.hedge.unwound else "0%"
    if isinstance(shown.sigma_ppm, msgspec.UnsetType):
        return bps_text(shown.wanted_ratio_bps)
    return f"{bps_text(shown.wanted_ratio_bps)}, auto at {_volatility_text(shown.sigma_ppm)}"


def _volatility_text(ppm: int) -> str:
    return f"{ppm / _PPM_PER_BPS / 100:.0f}%"


def state_text(shown: HedgeShown) -> str:
    """Return whether a hedge is where it is to be, else what it does about that, or what it waits for."""
    order = None if isinstance(shown.order, msgspec.UnsetType) else shown.order
    match None if order is None else order.state:
        case Requested():
            return f"waits: order {_number(order)} is neither executed nor cancelled"
        case UnknownOrder():
            return f"waits: the chain does not say what became of order {_number(order)}"
        case Cancelled(reason=reason):
            return f"{_wanted_text(shown)}; order {_number(order)} was cancelled: {reason}"
        case SaidEnded(outcome=outcome, by=by, reason=reason):
            return f"{_wanted_text(shown)}; {by} has said that order {_number(order)} was {outcome}: {reason}"
        case _:
            return _wanted_text(shown)


def _number(order: Order | None) -> str:
    return "" if order is None else order.number


def _wanted_text(shown: HedgeShown) -> str:
    if shown.ends:
        left = shown.size or shown.collateral
        return "unwinds: repays and withdraws all that is left" if left else "ended: nothing is left"
    off = shown.net_base - shown.target_base
    if abs(off) <= shown.act_at:
        return "within its band"
    return "outside: is to sell base" if off > 0 else "outside: is to buy base"


def cost_row(book: BookNow, shown: HedgeShown) -> tuple[str, ...]:
    """Show what a hedge costs per day and year, and of the book's value."""
    policy, names, carry = book.policy, named_in(book.policy), carry_of(book, shown)
    worth = book.stock.value_quote if book.stock is not None else 0
    amounts = (carry.pays, carry.earns, carry.a_day, carry.a_year)
    return (
        policy.book,
        *(names.amount(policy.quote, RawAmount(raw)) for raw in amounts),
        f"{100 * carry.a_year / worth:.2g}%" if worth > 0 else "?",
    )


def capital_row(book: BookNow) -> tuple[str, ...]:
    """Show how much of what a book has earns fees, how much secures its loans, and how much waits."""
    policy, names, capital = book.policy, named_in(book.policy), capital_of(book)
    shown = [
        (names.amount(policy.quote, RawAmount(part)), bps_text(part * WHOLE_BPS // max(capital.whole, 1)))
        for part in capital
    ]
    return (policy.book, *(cell for part in shown for cell in part))


# ------------------------------------------------------------------ for programs
def hedge_as_object(book: BookNow, shown: HedgeShown | None) -> dict[str, object] | None:
    """Write how a hedge stands for a program; amounts raw, as decimal strings."""
    if shown is None:
        return None
    carry, capital = carry_of(book, shown), capital_of(book)
    return {
        **wire_form(shown),
        "unwound": bool(book.policy.hedge and book.policy.hedge.unwound),
        "costs_per_day_quote": str(carry.a_day),
        "costs_per_year_quote": str(carry.a_year),
        "capital_quote": {name: str(raw) for name, raw in capital._asdict().items()},
    }


def other_collateral(book: BookNow) -> Iterator[str]:
    """Describe what a collateral that is not the quote means for a hedge, and what is supplied beside it that no plan takes back."""
    policy, names = book.policy, named_in(book.policy)
    if not policy.hedge or book.stock is None:
        return
    secures, quote = (names.tokens[token][0] for token in (policy.collateral_token, policy.quote))
    if policy.collateral_token != policy.quote:
        yield (
            f"{secures} secures its hedge, at its price of now in how likely a liquidation is. No plan sells it: below hedge.act plans repay "
            f"base, supply {secures} and buy base with {quote}; once none of that is left, repay or bring some by hand"
        )
    for each in book.stock.holdings:
        if each.collateral and each.token != policy.collateral_token:
            amount = names.amount(each.token, each.collateral)
            yield f"{amount} is supplied beside its hedge.collateral, {secures}: no plan takes it back, withdraw it by hand"


def wallet_amount(book: BookNow, token: Address) -> int:
    """Return how much of a token a book's wallets have, which could become collateral."""
    holdings = book.stock.holdings if book.stock is not None else ()
    return next((each.wallet for each in holdings if each.token == token), 0)
