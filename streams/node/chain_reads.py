"""What a shard wants read, read at one block's hash and told as events."""

from collections.abc import AsyncIterator, Sequence

import msgspec

from pipeline import keys
from pipeline.errors import UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.events import (
    BalanceObserved,
    ObservationFailed,
    OwnerObserved,
    PoolObserved,
    PositionObserved,
)
from pipeline.messages.policy import ChainProfile
from pipeline.units import NATIVE, Address, Term
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import ContractReader
from streams.node.multicall import MULTICALL3
from streams.node.port import Node
from streams.node.read_pool import read_pool
from streams.node.read_wallet import PositionRead, read_balances, read_owner, read_positions
from streams.node.tokens import token_fault

Observation = PoolObserved | OwnerObserved | PositionObserved | BalanceObserved
_READ_AT_ONCE = 300
"""Positions or balances in one go."""


class ReadContext(msgspec.Struct, frozen=True, kw_only=True):
    """Where and by whom is read: what every observation of one round has in common."""

    chain: ChainProfile
    block: BlockRef
    term: Term
    holders: tuple[Address, ...] = ()
    """Who may have some of a token: pools."""
    acting: frozenset[Address] = frozenset()
    """Tokens of books that act: what these do on a transfer must be known."""


async def observe(
    node: Node, place: ReadContext, wants: Sequence[DueRead], *, multicall: Address = MULTICALL3
) -> AsyncIterator[Observation | ObservationFailed]:
    """Read what is wanted after all logs of a block, in order; what cannot be read says why.

    Raises: NodeError.
    """
    reader = ContractReader(node, multicall=multicall, at=place.block.hash)
    for kind, group in _by_kind(wants):
        for at in range(0, len(group), _READ_AT_ONCE):
            part = group[at : at + _READ_AT_ONCE]
            async for each in _READS[kind](reader, place, part):
                yield each


def _by_kind(wants: Sequence[DueRead]) -> list[tuple[str, list[DueRead]]]:
    kinds: dict[str, list[DueRead]] = {}
    for want in wants:
        kinds.setdefault(keys.family(want.item), []).append(want)
    return list(kinds.items())


async def _read_pools(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[Observation | ObservationFailed]:
    for want in wants:
        (pool,) = keys.pool.parse(want.item)
        try:
            read = await read_pool(reader, pool)
        except UnreadableError as error:
            yield _failed(place, want, error)
            continue
        yield PoolObserved(
            term=place.term,
            block=place.block,
            why=want.why,
            pool=pool,
            state=read.state,
            ticks=read.ticks,
            observations=read.observations,
        )


async def _read_owners(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[Observation | ObservationFailed]:
    manager = place.chain.position_manager
    for want in wants:
        (owner,) = keys.owner.parse(want.item)
        try:
            token_ids = await read_owner(reader, manager, owner)
        except UnreadableError as error:
            yield _failed(place, want, error)
            continue
        yield OwnerObserved(
            term=place.term,
            block=place.block,
            why=want.why,
            owner=owner,
            manager=manager,
            token_ids=token_ids,
        )


async def _read_positions(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[Observation | ObservationFailed]:
    manager = place.chain.position_manager
    token_ids = [keys.position.parse(want.item)[1] for want in wants]
    reads = await read_positions(reader, manager, place.chain.factory, token_ids)
    for want, token_id, read in zip(wants, token_ids, reads, strict=True):
        if not isinstance(read, PositionRead):
            yield _failed(place, want, read)
            continue
        yield PositionObserved(
            term=place.term,
            block=place.block,
            why=want.why,
            manager=manager,
            token_id=token_id,
            position=read.position,
            pool_position=read.pool_position,
        )


async def _read_balances(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[Observation | ObservationFailed]:
    pairs = [keys.balance.parse(want.item) for want in wants]
    amounts = await read_balances(reader, pairs)
    new = {token for want, (_, token) in zip(wants, pairs, strict=True) if want.why != "check"}
    faults = {token: await _token_fault(reader, place, token) for token in sorted(new)}
    for want, (account, token), amount in zip(wants, pairs, amounts, strict=True):
        if (fault := faults.get(token)) is not None:
            yield _failed(place, want, fault)
            continue
        if isinstance(amount, UnreadableError):
            yield _failed(place, want, amount)
            continue
        yield BalanceObserved(
            term=place.term, block=place.block, why=want.why, account=account, token=token, amount=amount
        )


async def _token_fault(reader: ContractReader, place: ReadContext, token: Address) -> UnreadableError | None:
    """Say why a token's balances cannot be followed by its transfers."""
    if token == NATIVE:
        return None
    try:
        fault = await token_fault(reader, token, place.holders, place.block, acts=token in place.acting)
    except UnreadableError as error:
        return error
    return None if fault is None else UnreadableError(fault)


def _failed(place: ReadContext, want: DueRead, error: UnreadableError) -> ObservationFailed:
    return ObservationFailed(term=place.term, block=place.block, item=want.item, reason=str(error))


_READS = {
    keys.pool.family: _read_pools,
    keys.owner.family: _read_owners,
    keys.position.family: _read_positions,
    keys.balance.family: _read_balances,
}
