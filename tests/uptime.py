"""A sequencer's uptime feed on the toy chain and on anvil, its answers, and a book that obeys it."""

from builders import ToyWatcher, address
from msgspec.structs import replace
from price_play import FEED_CODE

from pipeline.messages.policy import Policy, version_of
from pipeline.messages.read_values import UptimeRead
from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import Seconds
from streams.devnet.chain import Chain

FEED = address(0x5E9)
UP, DOWN = 0, 1
GRACE_S = 120
"""Ten blocks of the toy chain."""


def by_the_sequencer(book: Policy, grace_s: int = GRACE_S) -> Policy:
    """Return the same book's policy on a chain with an uptime feed."""
    feed = SequencerFeed(feed=FEED, grace_s=Seconds(grace_s))
    made = replace(book, chain=replace(book.chain, sequencer=feed))
    return replace(made, policy_version=version_of(made))


def answer(watcher: ToyWatcher, says: int, ago_s: int = 10**6, round_id: int = 7) -> None:
    """Let the feed answer, from the next block on, that its state has lasted since some time before the head."""
    since_s = watcher.chain.head.timestamp_s - ago_s
    watcher.feeds[FEED] = UptimeRead(feed=FEED, round_id=round_id, answer=says, started_at_s=Seconds(since_s))


def place_uptime(chain: Chain, says: int, ago_s: int = 10**6, round_id: int = 7) -> None:
    """Put a stand-in for the feed on a chain."""
    chain.rpc("anvil_setCode", FEED, FEED_CODE)
    head_s = chain.header().timestamp_s
    for slot, value in enumerate((round_id, says, head_s - ago_s, head_s, round_id, 0)):
        chain.rpc("anvil_setStorageAt", FEED, hex(slot), f"0x{value % 2**256:064x}")
