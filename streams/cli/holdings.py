"""`positions` and `inventory`: what the books have, as their shards last said."""

from collections.abc import Iterable, Mapping
from typing import Annotated, TypeVar

import msgspec
import typer

from pipeline.messages.base import View
from pipeline.messages.policy import Policy
from pipeline.messages.views import BookView, PoolView, PositionView
from pipeline.units import Address, BookId, RawAmount
from streams.applied import policies_in_force
from streams.cli.console import AsJson, print_json, print_table, run, say, settings_for
from streams.codec import decode_output
from streams.human import amount_text, bps_text, price_text, short
from streams.readers import Reader, Record, reading
from streams.settings import Settings
from streams.topics import BOOKS, POOL_STATES, POSITIONS, Topic

V = TypeVar("V", bound=View)

OneBook = Annotated[str | None, typer.Option("--book", help="Only this book.")]

_PLACES = 6


class Named(msgspec.Struct, frozen=True):
    """How tokens are called, and how many decimals they have."""

    tokens: Mapping[Address, tuple[str, int]]

    def amount(self, token: Address, raw: RawAmount) -> str:
        """Show an amount with its symbol; of a token that no policy names, the raw number."""
        if token not in self.tokens:
            return f"{raw} raw {short(token)}"
        symbol, decimals = self.tokens[token]
        return f"{amount_text(raw, decimals, places=_PLACES)} {symbol}"


class Shown(msgspec.Struct, frozen=True):
    """Everything that the tables are made of."""

    policies: Mapping[BookId, Policy]
    records: Mapping[str, Record]
    pools: Mapping[Address, PoolView]

    @property
    def names(self) -> Named:
        specs = (token for policy in self.policies.values() for token in policy.tokens)
        return Named({token.address: (token.symbol, token.decimals) for token in specs})


def positions(*, book: OneBook = None, as_json: AsJson = False) -> None:
    """Show each position: range, what burning it would pay, and the fees it has earned on top."""
    settings = settings_for("positions")
    shown = run(_read(settings, POSITIONS))
    views = [view for view in views_of(shown.records, PositionView) if book in {None, view[1].book}]
    if as_json:
        _print_values(record for record, _ in views)
        return
    rows = [_position_row(view, shown) for _, view in sorted(views, key=lambda v: (v[1].book, v[1].token_id))]
    columns = ["book", ">NFT", "pool", ">ticks", "range", ">principal", ">", ">fees", "> ", ">said at block"]
    print_table(f"positions on chain {settings.chain}", columns, rows)
    _say_if_none(rows, shown)


def _position_row(view: PositionView, shown: Shown) -> tuple[str, ...]:
    pool = shown.pools.get(view.pool)
    amounts = (view.principal0, view.principal1, view.fees0, view.fees1)
    if pool is None:  # another shard publishes it, and has not yet
        texts = [f"{raw} raw" for raw in amounts]
    else:
        tokens = (pool.state.token0, pool.state.token1)
        texts = [shown.names.amount(tokens[i % 2], raw) for i, raw in enumerate(amounts)]
    return (
        view.book,
        str(view.token_id),
        _pool_name(view.pool, shown),
        f"{view.tick_lower}..{view.tick_upper}",
        "closed" if not view.liquidity else "in" if view.in_range else "OUT",
        *texts,
        _block(view),
    )


def _pool_name(address: Address, shown: Shown) -> str:
    pool = shown.pools.get(address)
    if pool is None:
        return short(address)
    named = shown.names.tokens
    symbols = [named.get(token, (short(token), 0))[0] for token in (pool.state.token0, pool.state.token1)]
    return f"{'/'.join(symbols)} {pool.state.fee_pips / 10_000:g}%"


def inventory(*, book: OneBook = None, as_json: AsJson = False) -> None:
    """Show each book's inventory: value, share of the base against its band, and where it lies."""
    settings = settings_for("inventory")
    shown = run(_read(settings, BOOKS))
    views = [view for view in views_of(shown.records, BookView) if book in {None, view[1].book}]
    if as_json:
        _print_values(record for record, _ in views)
        return
    ordered = sorted((view for _, view in views), key=lambda view: view.book)
    columns = [
        "book",
        ">share of base",
        ">target",
        ">deviation",
        ">value",
        ">base",
        ">quote",
        ">price",
        ">block",
    ]
    print_table(f"inventory on chain {settings.chain}", columns, [_book_row(view, shown) for view in ordered])
    where = [row for view in ordered for row in _holding_rows(view, shown.names)]
    if where:
        print_table("where it lies", ["book", ">wallets", ">native", ">positions", ">fees"], where)
    _say_if_none(ordered, shown)


def _book_row(view: BookView, shown: Shown) -> tuple[str, ...]:
    policy = shown.policies.get(view.book)
    if policy is None:  # removed since
        return (
            view.book,
            bps_text(view.base_share_bps),
            "",
            "",
            str(view.value_quote),
            "",
            "",
            "",
            _block(view),
        )
    names = shown.names
    return (
        view.book,
        bps_text(view.base_share_bps),
        f"{bps_text(policy.strategy.target_share_bps)} ±{bps_text(policy.strategy.band_bps)}",
        bps_text(view.deviation_bps),
        names.amount(policy.quote, view.value_quote),
        names.amount(policy.base, view.base_amount),
        names.amount(policy.quote, view.quote_amount),
        _price(view, policy),
        _block(view),
    )


def _price(view: BookView, policy: Policy) -> str:
    base_is_0 = policy.base < policy.quote  # a pool orders its tokens by address
    token0, token1 = (policy.base, policy.quote) if base_is_0 else (policy.quote, policy.base)
    return price_text(
        view.sqrt_price_x96, policy.decimals(token0), policy.decimals(token1), base_is_0=base_is_0
    )


def _holding_rows(view: BookView, names: Named) -> Iterable[tuple[str, ...]]:
    for holding in view.holdings:
        parts = (holding.wallet, holding.native, holding.principal, holding.fees)
        yield (view.book, *(names.amount(holding.token, raw) for raw in parts))


# ------------------------------------------------------------------ reading
async def _read(settings: Settings, topic: Topic) -> Shown:
    async with reading(settings.kafka) as reader:
        pools = await _newest(reader, settings, POOL_STATES)
        return Shown(
            policies=await policies_in_force(reader, settings.chain),
            records=await _newest(reader, settings, topic),
            pools={view.pool: view for _, view in views_of(pools, PoolView)},
        )


async def _newest(reader: Reader, settings: Settings, topic: Topic) -> dict[str, Record]:
    return await reader.newest(topic.on(settings.chain))


def views_of(records: Mapping[str, Record], kind: type[V]) -> list[tuple[Record, V]]:
    """Decode the views of one kind among a topic's present values."""
    decoded = [
        (record, decode_output(record.value or b"", where=record.where)) for record in records.values()
    ]
    return [(record, view) for record, view in decoded if isinstance(view, kind)]


def _print_values(records: Iterable[Record]) -> None:
    for record in records:
        print_json(record.value or b"null")


def _block(view: View) -> str:
    return str(view.because_of.block.number) if view.because_of.block else ""


def _say_if_none(rows: Iterable[object], shown: Shown) -> None:
    if not list(rows):
        say(
            "nothing yet: is `evenkeel up` running?"
            if shown.policies
            else "there are no books yet: `evenkeel init`, then `evenkeel apply`"
        )
