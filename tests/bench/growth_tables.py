"""How the cost of a block, and of taking over NFTs, grows with NFTs, books and pools."""

import sys
import time
from collections.abc import Iterator, Sequence

from builders import ToyChain, ToyWatcher, address, policy
from growth import book_of, bring_up_us, mint, us_per_block, watched

from pipeline.drive import drive
from pipeline.messages.events import PolicySet
from pipeline.state.shard import Shard
from pipeline.units import ShardId

SWAPS = {"quiet": 0, "1 swap": 1, "100 swaps": 100}
POOLS = (1, 10, 100)
FIRST_POOL = 0x5000

Table = dict[str, dict[int, float]]
"""Microseconds by row and size."""


def tables(nfts: Sequence[int], books: Sequence[int]) -> Iterator[tuple[str, Table]]:
    """Measure one table after another, and print each."""
    yield "NFTs of one book", _blocks("NFTs", {size: watched(size, 1) for size in nfts})
    of_books = {size: watched(size, size) for size in books}
    brought_up = {"brought up": {size: bring_up_us(world) / size for size, world in of_books.items()}}
    yield "books of one NFT", _blocks("books", of_books)
    _say("books", brought_up)
    yield "books brought up, per book", brought_up
    yield "pools of one book", _blocks("pools", {size: with_pools(size) for size in POOLS})
    yield "NFTs taken over, per NFT", _adoption(nfts)


def _blocks(name: str, worlds: dict[int, ToyWatcher]) -> Table:
    table = {
        label: {size: us_per_block(world, swaps) for size, world in worlds.items()}
        for label, swaps in SWAPS.items()
    }
    _say(name, table)
    return table


def with_pools(pools: int) -> ToyWatcher:
    """Bring a book of so many pools to where all is read; swaps come in the first alone."""
    watcher = ToyWatcher(ToyChain(7))
    watcher.coins_change = False
    watcher.chain.mine(1)
    others = tuple(address(FIRST_POOL + number) for number in range(pools - 1))
    watcher.set_policy(policy(pools=(*policy().pools, *others), chain=book_of(0).chain))
    return watcher


def _adoption(sizes: Sequence[int]) -> Table:
    """Measure what each NFT of a book that takes them over costs watcher and worker."""
    followed, taken = {}, {}
    for size in sizes:
        watcher = ToyWatcher(ToyChain(7))
        for number in range(size):
            mint(watcher.chain, book_of(0).owner, number)
        watcher.chain.mine(1)
        watcher.append(PolicySet(policy=book_of(0)))
        begun = time.process_time()
        watcher.read_wanted()
        followed[size] = (time.process_time() - begun) / size * 1e6
        begun = time.process_time()
        drive(Shard(ShardId(0)), watcher.log)
        taken[size] = (time.process_time() - begun) / size * 1e6
    table = {"followed": followed, "taken in": taken}
    _say("adopted", table)
    return table


def _say(name: str, table: Table) -> None:
    sizes = list(next(iter(table.values())))
    sys.stdout.write(f"{name:>12}" + "".join(f"{size:>10,}" for size in sizes) + "\n")
    for label, row in table.items():
        sys.stdout.write(f"{label:>12}" + "".join(f"{row[size]:>10,.0f}" for size in sizes) + "\n")
