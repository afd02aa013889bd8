"""Apply a block's logs to pools and NFTs, exactly; nothing is written before the block's last log."""

from typing import Any

import msgspec

from pipeline import keys
from pipeline.errors import ImpossibleFactError
from pipeline.messages.base import RawLog
from pipeline.messages.events import BlockSeen
from pipeline.messages.facts import Fact
from pipeline.state.shard import Shard
from pipeline.units import Address, Seconds, TokenId
from pipeline.venues.port import Decoder, Items
from pipeline.venues.uniswap_v3.deployment import UniswapV3Deployment
from pipeline.venues.uniswap_v3.forms import own_keys
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from pipeline.venues.uniswap_v3.forms.facts import (
    LiquidityDecreased,
    LiquidityIncreased,
    NftCollected,
    NftTransferred,
    Swapped,
)
from pipeline.venues.uniswap_v3.live_pool import LivePool
from pipeline.venues.uniswap_v3.manager_logs import decode_manager_log, token_id_of
from pipeline.venues.uniswap_v3.pool_logs import decode_pool_log
from pipeline.venues.uniswap_v3.pools import live_pool, store_pool
from pipeline.venues.uniswap_v3.position import apply_manager_fact
from pipeline.venues.uniswap_v3.swaps import replay_swap
from pipeline.venues.wallet.token_logs import ZERO_ADDRESS


class UniswapV3Block:
    """Applies one block to the pools and NFTs that it touches."""

    def __init__(self, shard: Shard, items: Items, at: UniswapV3Deployment, now_s: Seconds) -> None:
        """Start without touched items."""
        self.swaps: list[tuple[RawLog, Fact]] = []
        self._shard = shard
        self._items = items
        self._manager = at.manager
        self._now_s = now_s
        self._pools = at.followed_pools(shard.tables)
        """The item of each followed pool."""
        self._live: dict[Address, LivePool] = {}
        self._positions: dict[str, NftPosition | None] = {}

    def decoder(self, emitter: Address) -> Decoder | None:
        """Return what decodes the logs of a followed pool, or of the position manager."""
        if emitter in self._pools:
            return decode_pool_log
        return decode_manager_log if emitter == self._manager else None

    def item_of(self, log: RawLog) -> str:
        """Name the pool or the NFT that fails where a log cannot be applied."""
        pool = self._pools.get(log.address)
        if pool is not None:
            return pool
        token_id = token_id_of(log)
        if token_id is None:
            return own_keys.unreadable_position(log.address)
        return keys.position(log.address, token_id)

    def apply(self, log: RawLog, fact: Any) -> None:
        """Apply one fact to a pool or an NFT. Raises: PipelineError."""
        if fact.address not in self._pools:
            self._apply_to_manager(fact)
            return
        live = self._live.get(fact.address)
        if live is None:
            live = live_pool(self._shard, fact.address)
            if live is None:
                return  # not read yet: the read will contain it
            self._live[fact.address] = live
        if type(fact) is Swapped:  # as most are
            replay_swap(live, fact, self._now_s)
            self.swaps.append((log, fact))
        else:
            live.apply(fact, self._now_s)

    # -------------------------------------------------------------- NFTs
    def _apply_to_manager(self, fact: Fact) -> None:
        match fact:
            case NftTransferred():
                self._transfer_nft(fact)
            case LiquidityIncreased() | LiquidityDecreased() | NftCollected():
                self._apply_to_nft(fact)
            case _:
                raise ImpossibleFactError(f"{type(fact).__name__} of the position manager")

    def _position(self, manager: Address, token_id: TokenId) -> tuple[str, NftPosition | None]:
        key = keys.position(manager, token_id)
        if key in self._positions:
            return key, self._positions[key]
        return key, self._shard.tables.find(key, NftPosition)

    def _transfer_nft(self, fact: NftTransferred) -> None:
        key, position = self._position(fact.address, fact.token_id)
        if position is None:
            return  # new here: read after the block
        burned = fact.recipient == ZERO_ADDRESS
        self._positions[key] = None if burned else msgspec.structs.replace(position, owner=fact.recipient)

    def _apply_to_nft(self, fact: LiquidityIncreased | LiquidityDecreased | NftCollected) -> None:
        key, position = self._position(fact.address, fact.token_id)
        if position is None or self._items.is_closed(keys.pool(position.pool)):
            return
        live = live_pool(self._shard, position.pool)
        if live is None:
            return
        used = live.positions.get((fact.address, position.tick_lower, position.tick_upper))
        if used is None:
            raise ImpossibleFactError(
                f"pool {position.pool} does not follow the range of NFT {fact.token_id}"
            )
        self._positions[key] = apply_manager_fact(position, used, fact)

    # -------------------------------------------------------------- the block's end
    def spread_failures(self) -> None:
        """Do nothing: an NFT of a failed pool keeps its former value, and is not at fault."""

    def write(self, event: BlockSeen) -> None:
        """Write every pool and NFT that has not failed."""
        del event
        failed = {address for address in self._live if self._items.failed(keys.pool(address))}
        for address in sorted(self._live):
            if address in failed:
                self._shard.drop_working_copies([keys.pool(address)])
            else:
                store_pool(self._shard, self._live[address])
        if failed:
            self.swaps = [each for each in self.swaps if each[1].address not in failed]
        for key, position in self._positions.items():
            if not self._items.failed(key) and not self._pool_failed(key, position):
                self._shard.tables.put(key, position)

    def _pool_failed(self, key: str, position: NftPosition | None) -> bool:
        former = position or self._shard.tables.find(key, NftPosition)
        return former is not None and self._items.failed(keys.pool(former.pool))
