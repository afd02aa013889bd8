"""Make a shard's records of blocks: the logs and receipts that concern it."""

from collections.abc import Sequence

from msgspec import UNSET

from pipeline.book.sequencer import uptime_feeds
from pipeline.errors import BlockUnknownError, StateGoneError, UnreadableError
from pipeline.follow.log_filter import LogFilter, log_filter, select, select_receipts
from pipeline.messages.events import BlockSeen
from pipeline.messages.read_values import AllowanceRead, FeedRead, NativeBalance, UptimeRead
from pipeline.state.policies import book_accounts, policies, profile
from pipeline.state.tables import Tables
from pipeline.units import Address, Term
from pipeline.venues.registry import block_calls, spenders
from streams.node.contract_calls import ContractReader
from streams.node.port import Body, Node
from streams.node.read_feeds import read_feeds, read_uptime
from streams.node.read_words import answers_to
from streams.node.venues.wallet import read_allowances
from streams.watch.logged_natives import LoggedNatives
from streams.watch.prefetch import Block
from streams.watch.quiet_blocks import QuietTest
from streams.watch.scopes import scope_of

_NOTHING = Body(logs=(), receipts=())


async def blocks_seen(
    tables: Tables,
    node: Node,
    blocks: Sequence[Block],
    term: Term,
    *,
    multicall: Address,
    told: LoggedNatives | None = None,
) -> list[BlockSeen]:
    """Make the records of blocks up to the first that changes what the shard follows: later ones may need reads first.

    Of coin balances they tell only what has changed since those that were `told`; all of them now and then, and where that is not known.

    Raises: NodeError.
    """
    mine, chain = log_filter(tables), profile(tables)
    if mine is None or chain is None:
        return []
    accounts, told = sorted(book_accounts(tables)), told or LoggedNatives()
    granted, feeds, calls = granted_by(tables), feeds_of(tables), block_calls(tables)
    uptime = sorted(uptime_feeds(policies(tables)))
    events: list[BlockSeen] = []
    for block, body in await _with_bodies(node, blocks, mine):
        reader = ContractReader(node, multicall=multicall, at=block.header.block.hash)
        is_check = block.header.block.number % chain.check_every_blocks == 0
        natives = await _native_balances(node, accounts, block)
        changed, checksum = (
            (natives, UNSET) if is_check else told.changes(block.header.block, natives, accounts)
        )
        event = BlockSeen(
            term=term,
            block=block.header.block,
            base_fee_wei=block.header.base_fee_wei,
            logs=select(mine, body.logs),
            receipts=select_receipts(mine, body.receipts),
            reads=(
                *changed,
                *await allowances_at(reader, granted),
                *await answers_at(reader, feeds),
                *await uptime_at(reader, uptime),
                *await answers_to(reader, calls),
            ),
            native_checksum=checksum,
        )
        told = told.after(event)
        events.append(event)
        if is_check or mine.brings_items(event.logs):
            break
    return events


async def _with_bodies(node: Node, blocks: Sequence[Block], mine: LogFilter) -> list[tuple[Block, Body]]:
    """Add logs and receipts to blocks that were fetched without those that the shard follows now, where they may concern it.

    Raises: NodeError, BlockUnknownError where one of the blocks has left the chain.
    """
    scope = scope_of([mine])
    found = {b.header.block.hash: b.body for b in blocks if b.body is not None and b.body.covers(scope)}
    if len(found) < len(blocks):
        test = QuietTest(mine)
        unknown = [block for block in blocks if block.header.block.hash not in found]
        asked = [block.header for block in unknown if not test.is_quiet(block.header, block.silent)]
        for header, body in zip(asked, await node.bodies(asked, scope) if asked else [], strict=True):
            if body is None:
                raise BlockUnknownError("a block has left the chain since its header was fetched")
            found[header.block.hash] = body
    return [(block, found.get(block.header.block.hash, _NOTHING)) for block in blocks]


def granted_by(tables: Tables) -> list[tuple[Address, Address, Address]]:
    """List (owner, token, spender) of every book that may act: allowances that may have to be revoked."""
    return [
        (policy.owner, token, spender)
        for policy in policies(tables)
        if policy.mode == "live"
        for token in dict.fromkeys((policy.base, policy.quote, policy.collateral_token))
        for spender in spenders(policy)
    ]


async def allowances_at(
    reader: ContractReader, granted: Sequence[tuple[Address, Address, Address]]
) -> tuple[AllowanceRead, ...]:
    """Read the allowances of spenders after a block; what the node cannot answer is left out."""
    try:
        amounts = await read_allowances(reader, granted) if granted else []
    except StateGoneError:
        return ()
    return tuple(
        AllowanceRead(owner=owner, token=token, spender=spender, amount=amount)
        for (owner, token, spender), amount in zip(granted, amounts, strict=True)
        if not isinstance(amount, UnreadableError)
    )


def feeds_of(tables: Tables) -> list[Address]:
    """List the price feeds of every book."""
    return sorted({feed.feed for policy in policies(tables) for feed in policy.feeds()})


async def answers_at(reader: ContractReader, feeds: Sequence[Address]) -> tuple[FeedRead, ...]:
    """Read the answers of price feeds after a block; what the node cannot answer is left out."""
    try:
        answers = await read_feeds(reader, feeds) if feeds else []
    except StateGoneError:
        return ()
    return tuple(each for each in answers if not isinstance(each, UnreadableError))


async def uptime_at(reader: ContractReader, feeds: Sequence[Address]) -> tuple[UptimeRead, ...]:
    """Read whether sequencers were up after a block; what the node or the feed cannot answer is left out."""
    try:
        answers = await read_uptime(reader, feeds) if feeds else []
    except StateGoneError:
        return ()
    return tuple(each for each in answers if not isinstance(each, UnreadableError))


async def _native_balances(
    node: Node, accounts: Sequence[Address], block: Block
) -> tuple[NativeBalance, ...]:
    """Read the native balances of the books' accounts after a block; what the node cannot answer is left out."""
    known = dict(block.native_wei)
    unasked = [account for account in accounts if account not in known]
    if unasked:
        questions = [(account, block.header.block.hash) for account in unasked]
        known.update(zip(unasked, await node.native_balances(questions), strict=True))
    return tuple(
        NativeBalance(account=account, amount_wei=wei)
        for account in accounts
        if (wei := known[account]) is not None
    )
