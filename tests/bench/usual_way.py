"""Processing a block from log to decision, compared with the usual way: web3 decodes, then each position is computed from scratch.

Ours reads the record, moves the pool, keeps fees, observations, positions, the book and its decision, and writes all outputs. The usual
way decodes each log with web3, moves the same pool, and measures every position once per block, or once per swap.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from builders import POOL
from decoding import POOL_ABI, Answers
from growth import book_of, watched
from rows import Row
from web3 import Web3

from pipeline.drive import drive
from pipeline.messages.base import RawLog
from pipeline.state.shard import Shard
from pipeline.units import Offset, ShardId
from pipeline.venues.uniswap_v3.assess import HeldNft, held_nft, held_nfts, own_positions
from pipeline.venues.uniswap_v3.deployment import acting_deployment
from pipeline.venues.uniswap_v3.topics import SWAP_TOPIC
from streams.kafka.codec import encode
from streams.work.fold import fold_record

NFTS, SWAPS = (100, 10_000), (1, 100)
BLOCKS, WARM_BLOCKS = 20, 5
"""So many blocks are measured; those before them warm up."""
MUST = {(100, 1): (10, 14), (100, 100): (20, 30), (10_000, 1): (300, 700), (10_000, 100): (60, 100)}
MUST_PER_SWAP = {100: (60, 120), 10_000: (2_000, 5_000)}
_CONTRACT = Web3(Answers()).eth.contract(address=Web3.to_checksum_address(POOL), abi=POOL_ABI)


def decoded_by_web3(logs: Sequence[RawLog], block_hash: str) -> list[Any]:
    """Decode as web3 users do."""
    return [
        _CONTRACT.events.Swap().process_log(
            {
                "address": Web3.to_checksum_address(log.address),
                "topics": [bytes.fromhex(each[2:]) for each in log.topics],
                "data": bytes.fromhex(log.data[2:]),
                "logIndex": log.log_index,
                "transactionHash": log.transaction_hash,
                "transactionIndex": log.transaction_index,
                "blockHash": block_hash,
                "blockNumber": 1,
            }
        )
        for log in logs
    ]


class Forgetful:
    """A shard that measures whatever is asked of it, each time."""

    def __init__(self, shard: Shard) -> None:
        """Read what a shard knows."""
        self.tables = self
        self.find = shard.tables.find

    def derived(self, key: object, made_of: object, make: Callable[..., Any], *arguments: object) -> Any:
        """Remember nothing."""
        del key, made_of
        return make(*arguments)


def measured_anew(shard: Shard) -> tuple[int, int]:
    """Measure every NFT as if nothing of it were known, and sum up what leaving them all would pay."""
    anew: Any = Forgetful(shard)
    return _paid([held_nft(anew, key, position) for key, position in own_positions(shard, book_of(0))])


def _paid(nfts: Sequence[HeldNft]) -> tuple[int, int]:
    return sum(nft.pays[0] for nft in nfts), sum(nft.pays[1] for nft in nfts)


class Costs:
    """What blocks of so many swaps cost a book of so many NFTs, in seconds."""

    def __init__(self, nfts: int, swaps: int) -> None:
        """Prepare both ways, and let each take the same blocks in by turns."""
        self._watcher, self._swaps = watched(nfts, 1), swaps
        self._ours, self._usual = Shard(ShardId(0)), Shard(ShardId(0))
        for shard in (self._ours, self._usual):
            drive(shard, self._watcher.log)
        self.ours: list[float] = []
        self.decoding: list[float] = []
        self.measuring: list[float] = []
        for _ in range(WARM_BLOCKS + BLOCKS):
            self._take_block()

    def _take_block(self) -> None:
        watcher, ours, usual = self._watcher, self._ours, self._usual
        begin = len(watcher.log)
        watcher.chain.mine(0)
        for number in range(self._swaps):
            watcher.chain.swap(10**9 + number, down=(number + watcher.chain.head.number) % 2 == 0)
        watcher.tell()
        events = watcher.log[begin:]
        payloads = [encode(event) for event in events]
        self.ours.append(_timed(lambda: _fold(ours, payloads)))
        logs = [log for log in watcher.chain.logs if log.topics[0] == SWAP_TOPIC]
        self.decoding.append(_timed(lambda: decoded_by_web3(logs, watcher.chain.head.hash)))
        drive(usual, events)  # not timed: its pool moves as ours does
        totals: list[tuple[int, int]] = []
        self.measuring.append(_timed(lambda: totals.append(measured_anew(usual))))
        assert totals == [_paid(held_nfts(ours, book_of(0), acting_deployment(book_of(0))))]
        for shard in (ours, usual):
            shard.tables.changes()
            shard.tables.committed()


def _fold(shard: Shard, payloads: Sequence[bytes]) -> None:
    for payload in payloads:
        fold_record(shard, Offset(shard.cursor + 1), payload)


def _timed(run: Callable[[], object]) -> float:
    begun = time.process_time()
    run()
    return time.process_time() - begun


def rows(sizes: Sequence[int]) -> list[Row]:
    """Measure microseconds per block."""
    made = []
    for nfts in sizes:
        for swaps in SWAPS:
            costs = Costs(nfts, swaps)
            ours, decoding, measuring = (
                median(each[WARM_BLOCKS:]) * 1e6 for each in (costs.ours, costs.decoding, costs.measuring)
            )
            must, aim = MUST.get((nfts, swaps), (None, None))
            name = f"block, {nfts:,} NFTs, {swaps} swaps"
            made.append(
                Row(name, "measuring each NFT once per block", ours, decoding + measuring, must, aim, _LESS)
            )
            if swaps > 1:
                must, aim = MUST_PER_SWAP.get(nfts, (None, None))
                every = decoding + swaps * measuring
                note = f"{_LESS}; one measurement times the swaps"
                made.append(Row(name, "measuring each NFT once per swap", ours, every, must, aim, note))
    return made


_LESS = "the usual way's own moving of the pool is not counted"
