"""Follow who owns an NFT and how it came there, from the position manager's transfers."""

import msgspec

from pipeline import keys
from pipeline.errors import MalformedLogError
from pipeline.messages.arrivals import Gift
from pipeline.messages.base import RawLog
from pipeline.messages.entries import Route
from pipeline.messages.events import BlockSeen
from pipeline.state.policies import policies
from pipeline.state.tables import Tables
from pipeline.units import Address
from pipeline.venues.uniswap_v3.manager_logs import decode_nft_transfer
from pipeline.venues.wallet.token_logs import ZERO_ADDRESS


def follow_nft(tables: Tables, log: RawLog, event: BlockSeen) -> None:
    """Record who has an NFT now; one that comes to an owner is read, one that is burned is forgotten."""
    try:
        moved = decode_nft_transfer(log)
    except MalformedLogError:
        return  # told by the step that tracks it
    if moved is None:
        return
    item = keys.position(log.address, moved.token_id)
    key = keys.route(item)
    _note_origin(tables, item, log, event, moved.recipient)
    route = tables.find(key, Route)
    if moved.recipient == ZERO_ADDRESS:
        tables.put(key, None)
    elif route is not None:
        tables.put(key, msgspec.structs.replace(route, owner=moved.recipient))
    elif moved.recipient in {policy.owner for policy in policies(tables)}:
        tables.put(key, Route(owner=moved.recipient))


def _note_origin(tables: Tables, item: str, log: RawLog, event: BlockSeen, recipient: Address) -> None:
    """Record whether an NFT came to an owner by the book's own transaction: anybody can mint or send one to anybody.

    The last arrival holds, across reorgs too: another branch may give its number to another NFT.
    """
    senders = {
        sender
        for policy in policies(tables)
        if policy.owner == recipient
        for sender in (policy.owner, policy.signer, *policy.accounts)
    }
    if not senders:
        return
    own = {receipt.transaction_hash for receipt in event.receipts if receipt.sender in senders}
    gift = None if log.transaction_hash in own else Gift(at_block=event.block.number)
    tables.put(keys.gift(item), gift)
