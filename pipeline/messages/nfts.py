"""What a shard remembers of NFTs that somebody else sent, and of what operators said of NFTs. Log part: stays in a reorg."""

from pipeline.messages.base import Entry
from pipeline.units import BlockNumber


class Gift(Entry, frozen=True, kw_only=True):
    """`gift/item`: an NFT that came to its owner in a transaction of somebody else; no book has it until it is adopted."""

    at_block: BlockNumber


class Adopted(Entry, frozen=True, kw_only=True):
    """`adopted/item`: an operator's word that an NFT is its owner's book's, or is not."""

    ours: bool
    reason: str
    by: str
