"""The whole of a look: a node, an owner, a block; then positions, a book per pair of tokens, and a file to go on from."""

from pathlib import Path

import msgspec

from pipeline.errors import BlockUnknownError, NodeError, SettingsError
from pipeline.messages.base import Output
from pipeline.units import Address, BlockNumber, ChainId, TokenId
from streams.human import is_name, parse_address
from streams.look.deployment import find_chain
from streams.look.fold_once import book_at
from streams.look.suggested_portfolio import PairFound, pairs_in, portfolio_text
from streams.node.contract_calls import ContractReader
from streams.node.ens import resolve
from streams.node.http_node import HttpNode
from streams.node.multicall import MULTICALL3
from streams.node.port import Header
from streams.node.venues.uniswap_v3.nft_history import NftChange, read_histories
from streams.node.venues.uniswap_v3.positions_of_owner import PositionsFound, find_positions
from streams.portfolio import load_portfolio
from streams.portfolio.names import lookup_in
from streams.present import BookNow


class PairNow(msgspec.Struct, frozen=True, kw_only=True):
    """The positions of a pair, added up as a book, and what the default policy says of it."""

    pair: PairFound
    book: BookNow
    outputs: tuple[Output, ...]


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """What a look has come to."""

    chain_id: ChainId
    head: Header
    found: PositionsFound
    pairs: tuple[PairNow, ...]
    histories: dict[TokenId, list[NftChange]]
    no_history: str | None
    """Why the node does not tell what was put in."""
    suggested: str
    """A portfolio file for the pair with the most positions."""


async def glance(
    node: HttpNode, owner: str, *, block: int | None, chain_file: Path | None, folder: Path
) -> Glance:
    """Look at an owner's positions at one block, the newest by default.

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
    files = [portfolio_text(chain_id, chain.written, address, pair) for pair in pairs]
    histories, no_history = await _histories(node, profile.position_manager, list(found.positions), head)
    return Glance(
        chain_id=chain_id,
        head=head,
        found=found,
        pairs=tuple(
            [await _pair_now(node, head, pair, file) for pair, file in zip(pairs, files, strict=True)]
        ),
        histories=histories,
        no_history=no_history,
        suggested=files[0] if files else "",
    )


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
    """Read what was put into NFTs; many nodes give no logs so far back, and a look goes on without them."""
    try:
        return (await read_histories(node, manager, token_ids, head) if token_ids else {}), None
    except NodeError as error:
        return {}, str(error)


async def _pair_now(node: HttpNode, head: Header, pair: PairFound, file: str) -> PairNow:
    (policy,) = load_portfolio(file, "what was found")
    book, outputs = await book_at(node, policy, head, multicall=MULTICALL3)
    return PairNow(pair=pair, book=book, outputs=tuple(outputs))
