"""How the cost of one block grows with the NFTs of a book and with the books of a shard: `advance` alone, in memory.

The chain is a toy with one pool; each NFT has a range of its own out of a few hundred, each book an owner of its own.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from builders import OWNER, ToyChain, ToyWatcher, address, policy

from pipeline.drive import drive
from pipeline.messages.events import AnyEvent, PolicySet
from pipeline.messages.policy import Policy, TargetBand
from pipeline.state.shard import Shard
from pipeline.units import Address, BookId, Bps, ShardId

NFTS, BOOKS = (1, 10, 100, 1_000, 10_000), (1, 10, 100, 300, 1_000)
LIQUIDITY = 10**15
BLOCKS = 20
FIRST_OWNER = 0x1000
WIDE = TargetBand(band_bps=Bps(9_000), hysteresis_bps=Bps(10))
"""No swap of the tables triggers anything."""


def book_of(number: int) -> Policy:
    """Make a dry-run book with an owner of its own; a refusal is said again as often as by default."""
    owner = OWNER if not number else address(FIRST_OWNER + number)
    chain = msgspec.structs.replace(policy().chain, report_every_blocks=50)
    return policy(
        book=BookId(f"book-{number:04}"), owner=owner, accounts=(owner,), chain=chain, strategy=WIDE
    )


def watched(nfts: int, books: int) -> ToyWatcher:
    """Bring a shard to where everything of its books has been read."""
    watcher = ToyWatcher(ToyChain(7))
    watcher.coins_change = False
    chain = watcher.chain
    owners = [book_of(number).owner for number in range(books)]
    for owner in owners[1:]:
        for token in (policy().base, policy().quote):
            chain.balances[owner, token] = 6 * 10**18
    for number in range(nfts):
        mint(chain, owners[number % books], number)
    chain.mine(1)
    for number in range(books):
        watcher.append(PolicySet(policy=book_of(number)))
    watcher.read_wanted()
    return watcher


def mint(chain: ToyChain, owner: Address, number: int) -> None:
    """Give an owner an NFT about the price, from a stranger's transaction before anything was followed."""
    lower = -10 * (number % 97 + 1)
    chain.mint(owner, lower, -lower, LIQUIDITY + number, sender=chain_sender(owner))


def chain_sender(owner: Address) -> str:
    """Name the sender: the owner itself, but for the toy chain's own one, whose receipts are kept."""
    return address(0x77) if owner == OWNER else owner


def us_per_block(watcher: ToyWatcher, swaps: int) -> float:
    """Measure the median block, in microseconds of processor time.

    All blocks are made before the first is taken in: a watcher is a process of its own, and what it does for its many books in
    between would leave none of the worker's memory in the processor's caches.
    """
    shard = Shard(ShardId(0))
    drive(shard, watcher.log)
    taken: list[float] = []
    for events in [_next_block(watcher, swaps) for _ in range(BLOCKS)]:
        begun = time.process_time()
        drive(shard, events)
        taken.append(time.process_time() - begun)
        shard.tables.committed()
    return sorted(taken)[len(taken) // 2] * 1e6


def _next_block(watcher: ToyWatcher, swaps: int) -> list[AnyEvent]:
    """Mine a block with a number of swaps, back and forth, and return its records."""
    begin = len(watcher.log)
    watcher.chain.mine(0)
    for number in range(swaps):
        watcher.chain.swap(10**9 + number, down=(number + watcher.chain.head.number) % 2 == 0)
    watcher.tell()
    return watcher.log[begin:]


def bring_up_us(watcher: ToyWatcher) -> float:
    """Measure what a worker takes to read a shard's log from its beginning, in microseconds of processor time."""
    begun = time.process_time()
    drive(Shard(ShardId(0)), watcher.log)
    return (time.process_time() - begun) * 1e6


def table(name: str, worlds: dict[int, ToyWatcher]) -> None:
    """Print one growth table, and beside each row how many times as dear the largest world is as some smaller ones."""
    sizes = list(worlds)
    sys.stdout.write(f"{name:>12}" + "".join(f"{size:>10,}" for size in sizes) + "\n")
    for label, swaps in (("quiet", 0), ("1 swap", 1), ("100 swaps", 100)):
        row = [us_per_block(world, swaps) for world in worlds.values()]
        times = ", ".join(
            f"{row[-1] / each:.1f} x {size}" for size, each in zip(sizes[:-1], row, strict=False)
        )
        sys.stdout.write(f"{label:>12}" + "".join(f"{each:>10,.0f}" for each in row) + f"   = {times}\n")


def main() -> None:
    """Print microseconds per block by NFTs and by books, and per book for a log with nothing but the first reads of them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--nfts", type=int, nargs="*", default=NFTS)
    parser.add_argument("--books", type=int, nargs="*", default=BOOKS)
    asked = parser.parse_args()
    table("NFTs", {each: watched(each, 1) for each in asked.nfts})
    worlds = {each: watched(each, each) for each in asked.books}
    per_book = "".join(f"{bring_up_us(world) / each:>10,.0f}" for each, world in worlds.items())
    table("books", worlds)
    sys.stdout.write(f"{'brought up':>12}{per_book}\n")


if __name__ == "__main__":
    main()
