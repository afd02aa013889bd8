"""`settle`: state what became of a hedge's order that the chain does not tell, checked against what the venue shows."""

from typing import Annotated, cast, get_args

import typer

from pipeline import keys
from pipeline.advance.order_settlements import is_said
from pipeline.decide.hedging import position_of
from pipeline.errors import PipelineError, SettingsError
from pipeline.hedge.port import HedgePosition
from pipeline.hedge.settled_by_operator import why_not_said
from pipeline.messages.events import OrderEndSaid
from pipeline.messages.orders import Order, SaidOutcome
from pipeline.messages.policy import Policy
from pipeline.units import BookId, RawAmount
from streams.cli.completing import books
from streams.cli.console import run, say, settings_for
from streams.cli.holdings import no_such_book
from streams.cli.operate import Reason, confirm, who
from streams.cli.wording import named_in
from streams.kafka.readers import reading
from streams.policy_rollout import append, appending
from streams.present_books import BookNow, books_now
from streams.settings import Settings

_OUTCOMES = get_args(SaidOutcome)


def settle(
    book: Annotated[str, typer.Argument(help="The book, as ID or book/ID.", autocompletion=books)],
    order: Annotated[str, typer.Argument(help="The order's number, as `evenkeel hedge` shows it.")],
    outcome: Annotated[str, typer.Argument(help="The order's end: executed or cancelled.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: Reason = "by hand",
) -> None:
    """State the end of a hedge's order, where the chain does not show it.

    Until then the hedge places no further order, so that none is placed twice. The statement is refused if the chain says otherwise, or
    if the position's size contradicts it. The position's size remains what the venue shows, and if the chain tells the end later, that counts.
    """
    if outcome not in _OUTCOMES:
        raise SettingsError(f"{outcome} is no end of an order: {' or '.join(_OUTCOMES)}")
    settings = settings_for("settle")
    name = BookId(keys.book.parse(book)[0] if keys.book.matches(book) else book)
    event = OrderEndSaid(
        book=name, order=order, outcome=cast("SaidOutcome", outcome), reason=reason, by=who()
    )
    run(_settle(settings, event, yes=yes))


async def _settle(settings: Settings, event: OrderEndSaid, *, yes: bool) -> None:
    now, held = await _position(settings, event.book)
    if is_said(held, event):
        say(
            f"{event.book}: that order {event.order} was {event.outcome} is said already, nothing is appended"
        )
        return
    says = why_not_said(held.order, event.order, held.size, event.outcome)
    if says is not None or held.order is None:
        raise SettingsError(f"{event.book}: {says}")
    say(f"{event.book}: {shown_text(now.policy, held.order, held.size)}")
    confirm(
        f"count order {event.order} as {event.outcome}?",
        f"book {event.book}: nothing is said unless somebody at a terminal does, or --yes",
        yes=yes,
    )
    async with appending(settings.kafka) as producer:
        offset = await append(producer, settings.chain, now.at.shard.id, event)
    say(
        f"{event.book}: order {event.order} counts as {event.outcome} from here on, unless the venue shows otherwise by then: "
        f"shard {now.at.shard.id}, offset {offset}"
    )


async def _position(settings: Settings, book: BookId) -> tuple[BookNow, HedgePosition]:
    """Find a hedged book and what it has. Raises: SettingsError."""
    async with reading(settings.kafka) as reader:
        found = {
            each.policy.book: each for each in await books_now(reader, settings.chain, settings.partitions)
        }
    if book not in found:
        raise SettingsError(no_such_book(book, found))
    now = found[book]
    if not now.policy.hedge:
        raise SettingsError(f"book {book} is not hedged: it has no `hedge:` in what is in force")
    try:
        return now, position_of(now.at.shard, now.policy)
    except PipelineError as error:
        raise SettingsError(f"book {book}: its position is not known now: {error}") from None


def shown_text(policy: Policy, order: Order, size: RawAmount) -> str:
    """Describe how large a position is, and how large it was before an order that is unknown."""

    def base(raw: int) -> str:
        return named_in(policy).amount(policy.base, RawAmount(raw))

    if isinstance(order.size_before, int):
        before = f"it was {base(order.size_before)} before order {order.number}, which was to make it {base(order.size_before + order.change)}"
    else:
        before = f"how large it was before order {order.number} was not seen: nothing there speaks for or against what is said"
    return f"the venue shows a short of {base(size)}; {before}"
