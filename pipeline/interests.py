"""Which logs and receipts of a block concern a shard: the watcher's half of `routes`."""

from collections.abc import Iterable

import msgspec

from pipeline import keys
from pipeline.messages.base import RawLog, Receipt
from pipeline.messages.entries import Route
from pipeline.state import Tables
from pipeline.units import Address
from pipeline.venues.uniswap_v3 import MANAGER_TOPICS
from pipeline.venues.wallet.token_logs import DEPOSIT_TOPIC, TRANSFER_TOPIC, WITHDRAWAL_TOPIC, token_id_of
from pipeline.wants import followed_pools, policies, profile


class Interests(msgspec.Struct, frozen=True):
    """What a shard looks for in a block; derived from its tables, block by block."""

    pools: frozenset[Address]
    manager: Address
    token_ids: frozenset[int]
    owners: frozenset[Address]
    accounts: frozenset[Address]
    tokens: frozenset[Address]
    wrapped_native: Address
    senders: frozenset[Address]


def interests(tables: Tables) -> Interests | None:
    """Collect what the shard's books follow now; None on a shard without books."""
    books, chain = policies(tables), profile(tables)
    if chain is None:
        return None
    routed = tables.group(keys.route.under(keys.position.family), Route)
    return Interests(
        pools=followed_pools(tables),
        manager=chain.position_manager,
        token_ids=frozenset(keys.position.parse(keys.item_of(key))[1] for key, _ in routed),
        owners=frozenset(book.owner for book in books),
        accounts=frozenset(account for book in books for account in book.accounts),
        tokens=frozenset(token.address for book in books for token in book.tokens),
        wrapped_native=chain.wrapped_native,
        senders=frozenset(s for book in books for s in (book.owner, book.signer, *book.accounts) if s),
    )


def select(mine: Interests, logs: Iterable[RawLog]) -> tuple[RawLog, ...]:
    """Pick a block's logs for a shard, in their order.

    An NFT that comes to an owner within the block is followed from the block's first log on.
    """
    logs = list(logs)
    received = {
        int(log.topics[3], 16)
        for log in logs
        if log.address == mine.manager
        and len(log.topics) == 4
        and log.topics[0] == TRANSFER_TOPIC
        and _address(log.topics[2]) in mine.owners
    }
    ids = mine.token_ids | received
    return tuple(log for log in logs if _concerns(mine, ids, log))


def select_receipts(mine: Interests, receipts: Iterable[Receipt]) -> tuple[Receipt, ...]:
    """Pick the receipts of transactions that the books' own accounts sent."""
    return tuple(receipt for receipt in receipts if receipt.sender in mine.senders)


def _concerns(mine: Interests, ids: frozenset[int], log: RawLog) -> bool:
    if log.address in mine.pools:
        return True
    if not log.topics:
        return False
    if log.address == mine.manager:
        return log.topics[0] in MANAGER_TOPICS and token_id_of(log) in ids
    if log.address not in mine.tokens and log.address != mine.wrapped_native:
        return False
    if log.topics[0] == TRANSFER_TOPIC and len(log.topics) == 3:
        return _address(log.topics[1]) in mine.accounts or _address(log.topics[2]) in mine.accounts
    if log.address == mine.wrapped_native and log.topics[0] in {DEPOSIT_TOPIC, WITHDRAWAL_TOPIC}:
        return len(log.topics) == 2 and _address(log.topics[1]) in mine.accounts
    return False


def _address(topic: str) -> Address:
    return Address("0x" + topic[-40:])
