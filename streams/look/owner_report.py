"""Compose a look: an owner's positions at one block, a book per pair of tokens, and a portfolio file."""

from pathlib import Path

import msgspec

from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import BlockUnknownError, NodeError, SettingsError, UnreadableError
from pipeline.messages.base import Output
from pipeline.messages.chain_profile import VenueSpec
from pipeline.units import Address, BlockNumber, Bps, ChainId, TokenId
from streams.human_numbers import is_name, parse_address
from streams.look.account_before import describe_allowances
from streams.look.deployment import ChainFound, find_chain
from streams.look.fold_once import book_at
from streams.look.suggested_portfolio import PairFound, pairs_in, portfolio_text
from streams.node.contract_calls import ContractReader
from streams.node.ens import resolve
from streams.node.http_node import HttpNode
from streams.node.multicall import MULTICALL3
from streams.node.port import Header
from streams.node.venues.port import AccountStanding
from streams.node.venues.registry import find_account
from streams.node.venues.uniswap_v3.nft_history import NftChange, read_histories
from streams.node.venues.uniswap_v3.positions_of_owner import PositionsFound, find_positions
from streams.portfolio import load_portfolio
from streams.portfolio.names import lookup_in
from streams.present_books import BookNow


class PairNow(msgspec.Struct, frozen=True, kw_only=True):
    """The positions of one pair, added up as a book, and the default policy's decision on it."""

    pair: PairFound
    book: BookNow
    outputs: tuple[Output, ...]
    allowed: tuple[str, ...]
    """What somebody may take already, in words."""


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a look."""

    chain_id: ChainId
    head: Header
    found: PositionsFound
    pairs: tuple[PairNow, ...]
    histories: dict[TokenId, list[NftChange]]
    no_history: str | None
    """Why the node does not tell what was put in."""
    lending_account: AccountStanding | None
    """What the owner has and owes at the chain's lending market; None where no market is known, or it does not answer."""
    no_lending_account: str | None
    """Why that is not known."""
    waiting: range
    """Nonces of the owner's transactions that wait to be mined."""
    suggested: str
    """A portfolio file for the pair with the most positions."""


async def look_at_owner(
    node: HttpNode, owner: str, *, block: int | None, chain_file: Path | None, folder: Path
) -> Glance:
    """Read an owner's positions at one block, the newest by default.

    Raises: SettingsError where owner or deployment are not known, UnreadableError, NodeError.
    """
    head = await node.newest() if block is None else await _header(node, BlockNumber(block))
    chain_id = await node.chain_id()
    chain = find_chain(chain_id, chain_file, folder)
    profile = chain.profile
    address = await _address(node, head, owner)
    reader = ContractReader(node, multicall=MULTICALL3, at=head.block.hash)
    found = await find_positions(reader, profile, address)
    pairs = pairs_in(found, profile.wrapped_native, chain.money)
    account, no_lending_account = await _lending_account(reader, chain.lending, address)
    lending = account.venue if account is not None and account.counts else None
    files = [portfolio_text(chain_id, chain.written, address, pair, lending) for pair in pairs]
    seen = [await _pair_now(node, reader, head, pair, file) for pair, file in zip(pairs, files, strict=True)]
    histories, no_history = await _histories(node, profile.position_manager, list(found.positions), head)
    return Glance(
        chain_id=chain_id,
        head=head,
        found=found,
        pairs=tuple(seen),
        histories=histories,
        no_history=no_history,
        lending_account=account,
        no_lending_account=no_lending_account,
        waiting=await node.waiting(address) if block is None else range(0),
        suggested=_suggested(chain, chain_id, seen[0], lending) if seen else "",
    )


async def _lending_account(
    reader: ContractReader, lending: VenueSpec | None, owner: Address
) -> tuple[AccountStanding | None, str | None]:
    """Ask the chain's lending market for the owner's account; where it does not answer, the look goes on without."""
    if lending is None:
        return None, None
    try:
        return await find_account(reader, lending, owner), None
    except UnreadableError as error:
        return None, f"{lending.name}: {error}"


def _suggested(chain: ChainFound, chain_id: ChainId, seen: PairNow, lending: VenueSpec | None) -> str:
    """Write the portfolio file to start from: a debt in the base is adopted as a hedge."""
    policy = seen.book.policy
    return portfolio_text(
        chain_id, chain.written, policy.owner, seen.pair, lending, hedged_bps=hedged_bps(seen.book)
    )


def hedged_bps(book: BookNow) -> Bps:
    """Return which share of all its base a book owes. Rounds: down; at most all of it."""
    for holding in book.stock.holdings if book.stock is not None else ():
        owed = 0 if isinstance(holding.debt, msgspec.UnsetType) else -holding.debt
        if holding.token == book.policy.base and owed > 0:
            supplied = 0 if isinstance(holding.collateral, msgspec.UnsetType) else holding.collateral
            base = holding.wallet + holding.native + holding.principal + holding.fees + supplied
            return Bps(min(owed * WHOLE_BPS // base, WHOLE_BPS) if base > 0 else WHOLE_BPS)
    return Bps(0)


async def _header(node: HttpNode, number: BlockNumber) -> Header:
    (header,) = await node.headers([number])
    if header is None:
        raise BlockUnknownError(f"the node does not know block {number}")
    return header


async def _address(node: HttpNode, head: Header, owner: str) -> Address:
    try:
        if not is_name(owner):
            return parse_address(owner)
        return lookup_in(await resolve(node.web3(head.block.hash), [owner]))(owner)
    except ValueError as error:
        raise SettingsError(f"OWNER {owner}: {error}") from None


async def _histories(
    node: HttpNode, manager: Address, token_ids: list[TokenId], head: Header
) -> tuple[dict[TokenId, list[NftChange]], str | None]:
    """Read what was put into NFTs; where a node has no logs so far back, the look goes on without."""
    try:
        return (await read_histories(node, manager, token_ids, head) if token_ids else {}), None
    except NodeError as error:
        return {}, str(error)


async def _pair_now(
    node: HttpNode, reader: ContractReader, head: Header, pair: PairFound, file: str
) -> PairNow:
    (policy,) = load_portfolio(file, "what was found")
    book, outputs = await book_at(node, policy, head, multicall=MULTICALL3)
    allowed = await describe_allowances(reader, policy)
    return PairNow(pair=pair, book=book, outputs=tuple(outputs), allowed=tuple(allowed))
