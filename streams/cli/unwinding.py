"""`unwind`: command the end of a book's hedge, after showing what that takes and costs."""

from typing import Annotated

import typer

from pipeline import keys
from pipeline.advance.book_context import BookContext
from pipeline.advance.unwinding import Unwinding, unwinding_now
from pipeline.errors import NodeError, PipelineError, SettingsError
from pipeline.messages.base import BlockRef
from pipeline.messages.events import PolicySet
from pipeline.messages.policy import Policy
from pipeline.state.provenance import Provenance
from pipeline.units import BookId, RawAmount, Wei
from streams.cli.chain_checks import asking
from streams.cli.completing import books
from streams.cli.console import print_table, run, say, settings_for
from streams.cli.hedged_books import other_collateral
from streams.cli.holdings import no_such_book, state_of
from streams.cli.operate import confirm
from streams.cli.portfolios import say_versions
from streams.cli.wording import named_in
from streams.ended_hedges import unwound
from streams.kafka.readers import reading
from streams.kafka.topics import shard_of
from streams.policy_rollout import append, appending, policies_in_force
from streams.present_books import BookNow, books_now
from streams.settings import Settings

_COLUMNS = (
    "book",
    ">owes",
    ">collateral",
    ">buys",
    ">pays",
    ">swap fee",
    ">impact",
    ">gas",
    ">transactions",
)


def unwind(
    book: Annotated[str, typer.Argument(help="The book, as ID or book/ID.", autocompletion=books)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """End a book's hedge: buy back and repay its debt, withdraw its collateral, and revoke its allowances.

    The book's own plans do it, within what its signer allows, and no limit on costs holds them back. It is a new version of
    the book's policy, so the portfolio file and what is in force differ from then on: a later `apply` leaves the hedge ended,
    `apply --hedge-again` takes it on again.
    """
    settings = settings_for("unwind")
    run(_unwind(settings, BookId(keys.book.parse(book)[0] if keys.book.matches(book) else book), yes=yes))


async def _unwind(settings: Settings, book: BookId, *, yes: bool) -> None:
    policy = await _in_force(settings, book)
    if not policy.hedge:
        raise SettingsError(f"book {book} is not hedged: it has no `hedge:` in what is in force")
    if policy.mode == "watch":
        raise SettingsError(f"book {book} is only watched (mode: watch): nothing acts for it")
    async with reading(settings.kafka) as reader:
        now = next(
            each
            for each in await books_now(reader, settings.chain, settings.partitions)
            if each.policy.book == book
        )
    ending = policy if policy.hedge.ends else unwound(policy)
    base_fee_wei = await _base_fee_wei(settings)
    print_unwinding(now, ending, base_fee_wei)
    if policy.hedge.ends:
        say(f"{book}: its hedge is ended already, nothing is appended")
        return
    confirm(
        f"end the hedge of book {book}?",
        f"book {book}: nothing is done unless somebody at a terminal says so, or --yes",
        yes=yes,
    )
    if await _in_force(settings, book) != policy:
        raise SettingsError(f"book {book}: another policy was applied meanwhile: look again")
    shard = shard_of(book, settings.partitions)
    async with appending(settings.kafka) as producer:
        offset = await append(producer, settings.chain, shard, PolicySet(policy=ending))
    say(f"{book}: its hedge ends from here on: shard {shard}, offset {offset}")
    say(
        f"the portfolio file still has the hedge: write `ratio: 0%` there, or leave it; `evenkeel apply` leaves it ended, "
        f"`evenkeel apply --hedge-again` takes it on again. `evenkeel hedge --book {book}` shows how far it is"
    )
    say_versions([ending])


async def _in_force(settings: Settings, book: BookId) -> Policy:
    async with reading(settings.kafka) as reader:
        found = await policies_in_force(reader, settings.chain)
    if book not in found:
        raise SettingsError(no_such_book(book, found))
    return found[book]


async def _base_fee_wei(settings: Settings) -> Wei | None:
    """Ask the node, if one is named and answers, what gas costs now."""
    if not settings.rpc_url:
        return None
    try:
        async with asking(settings, settings.chain) as asked:
            return (await asked.node.newest()).base_fee_wei
    except NodeError:
        return None


# ------------------------------------------------------------------ what it comes to
def print_unwinding(now: BookNow, ending: Policy, base_fee_wei: Wei | None) -> None:
    """Print what is owed and secured, what is bought, and what that costs; and whatever holds it back."""
    book, head = ending.book, now.at.head
    if now.stock is None or head is None:
        say(f"{book}: what ending its hedge takes is not known now: {'; '.join(state_of(now))}")
        return
    try:
        found = _unwinding(now, ending, head, base_fee_wei)
    except PipelineError as error:
        say(f"{book}: what ending its hedge takes is not known now: {error}")
        return
    print_table("ending the hedge, at the prices of now", _COLUMNS, [_row(ending, found, base_fee_wei)])
    for says in _notes(now, ending, found):
        say(f"{book}: {says}")


def _unwinding(now: BookNow, ending: Policy, head: BlockRef, base_fee_wei: Wei | None) -> Unwinding:
    shard = now.at.shard
    moment = Provenance(shard=shard.id, offset=now.at.cursor, block=head, chain_id=ending.chain.chain_id)
    return unwinding_now(
        BookContext(shard=shard, policy=ending, block=head, base_fee_wei=base_fee_wei or Wei(0), now=moment)
    )


def _row(policy: Policy, found: Unwinding, base_fee_wei: Wei | None) -> tuple[str, ...]:
    names, costs = named_in(policy), found.costs
    priced = costs is not None and base_fee_wei is not None

    def quote(raw: RawAmount | None) -> str:
        return "" if raw is None else names.amount(policy.quote, raw)

    return (
        policy.book,
        names.amount(policy.base, found.held.size),
        names.amount(policy.collateral_token, found.held.collateral),
        names.amount(policy.base, found.bought),
        quote(found.paid),
        quote(None if costs is None else costs.swap_fee),
        quote(None if costs is None else costs.impact),
        quote(costs.gas_expected) if costs is not None and priced else f"{found.gas:,} units",
        str(found.transactions),
    )


def _notes(now: BookNow, ending: Policy, found: Unwinding) -> list[str]:
    """Describe what the table cannot: why not now, why not at once, and that nothing is sent."""
    notes = [each for each in now.marks if each.startswith("paused")]
    if not (found.held.size or found.held.collateral):
        notes.append("it owes nothing and nothing secures it: there is nothing to take back")
    notes += other_collateral(now)
    if found.refusal is not None:
        notes.append(
            f"it cannot begin at this block: {found.refusal.reason}: {found.refusal.detail}; it is tried again, `hedge.pace` apart"
        )
    if found.withdrawn_first:
        first = named_in(ending).amount(ending.collateral_token, found.withdrawn_first)
        notes.append(
            f"its wallet does not pay for that: {first} of the collateral are withdrawn first, the rest once nothing is owed"
        )
    if found.left:
        left = named_in(ending).amount(ending.base, found.left)
        why = f" ({found.cut_short})" if found.cut_short else ""
        notes.append(f"one plan leaves {left} owed{why}: others follow, hedge.pace apart, {_paid_by(ending)}")
    if ending.mode != "live":
        notes.append(f"its mode is {ending.mode}: it is proposed and tried, and nothing is sent")
    return notes


def _paid_by(policy: Policy) -> str:
    """Describe what further plans buy with: the collateral that is set free, unless no plan trades it."""
    if policy.collateral_token == policy.quote:
        return "out of the collateral that each sets free"
    quote, collateral = (
        named_in(policy).tokens[token][0] for token in (policy.quote, policy.collateral_token)
    )
    return f"with what {quote} is in the wallet by then: no plan sells the collateral, {collateral}"
