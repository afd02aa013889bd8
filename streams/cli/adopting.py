"""`adopt`: record an operator's decision whether an NFT belongs to a book."""

from typing import Annotated

import typer

from pipeline import keys
from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import UNISWAP_V3
from pipeline.messages.entries import Route
from pipeline.messages.events import PositionAdopted
from pipeline.state.policies import policies
from pipeline.units import ShardId, TokenId
from streams.cli.console import run, say, settings_for
from streams.cli.holdings import OneBook, no_such_book
from streams.cli.operate import Reason, who
from streams.cli.venues.registry import shown_as
from streams.kafka.readers import reading
from streams.policy_rollout import append, appending
from streams.present_books import ShardNow, shards_now
from streams.settings import Settings


def adopt(
    token_id: Annotated[int, typer.Argument(help="The NFT's number.", min=0)],
    *,
    book: OneBook = None,
    venue: Annotated[
        str, typer.Option(help="The NFT's venue: the name of one of `chain.venues` in the file.")
    ] = UNISWAP_V3,
    ignore: Annotated[
        bool, typer.Option("--ignore", help="Leave the NFT out of its owner's book instead.")
    ] = False,
    reason: Reason = "by hand",
) -> None:
    """Count an NFT that somebody else sent in its owner's book, or leave it out."""
    settings = settings_for("adopt")
    shard, item, owner = run(_find(settings, TokenId(token_id), venue, book))
    event = PositionAdopted(item=item, ours=not ignore, reason=reason, by=who())
    offset = run(_append(settings, shard, event))
    done = "left out of" if ignore else "taken into"
    say(f"NFT {token_id} is {done} book {owner}: shard {shard}, offset {offset}")


async def _find(
    settings: Settings, token_id: TokenId, venue: str, book: str | None
) -> tuple[ShardId, str, str]:
    """Find an NFT's shard, name, and book. Raises: SettingsError where no book's owner has it."""
    async with reading(settings.kafka) as reader:
        shards = await shards_now(reader, settings.chain, settings.partitions)
    known = [policy.book for each in shards for policy in policies(each.shard.tables)]
    if book is not None and book not in known:
        raise SettingsError(no_such_book(book, known))
    for each in shards:
        found = _held(each, token_id, venue, book)
        if found is not None:
            return found
    owner = "the owner of any book" if book is None else f"the owner of book {book}"
    raise SettingsError(f"NFT {token_id} of venue {venue} is not known as one that {owner} has")


def _held(at: ShardNow, token_id: TokenId, venue: str, book: str | None) -> tuple[ShardId, str, str] | None:
    tables = at.shard.tables
    for policy in policies(tables):
        for spec in policy.chain.all_venues():
            item = shown_as(spec.kind).numbered_item(spec, token_id) if spec.name == venue else None
            if item is None:
                continue
            route = tables.find(keys.route(item), Route)
            if route is not None and route.owner == policy.owner and book in {None, policy.book}:
                return at.shard.id, item, policy.book
    return None


async def _append(settings: Settings, shard: ShardId, event: PositionAdopted) -> int:
    async with appending(settings.kafka) as producer:
        return await append(producer, settings.chain, shard, event)
