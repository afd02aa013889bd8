"""A shard that follows a devnet in this process without a broker: watcher and worker, one block at a time."""

from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.drive import drive
from pipeline.follow.due_reads import wanted
from pipeline.messages.base import BlockRef, Output
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.events import AnyEvent, BlockSeen, PolicySet, WriterStarted
from pipeline.messages.policy import Limits, Policy, Rerange, TargetBand, TokenSpec, version_of
from pipeline.messages.signers_limits import SignersLimits
from pipeline.state.shard import Shard
from pipeline.units import Address, BlockNumber, Bps, ChainId, LogBps, RawAmount, Seconds, ShardId, Term
from streams.devnet.world import DevnetPool, World
from streams.kafka.codec import decode_entry, decode_event, encode, encode_entry
from streams.node.chain_reads import observe
from streams.node.http_node import HttpNode
from streams.node.multicall import MULTICALL3
from streams.node.port import Node
from streams.node.venues.port import ReadContext
from streams.watch.blocks_seen import blocks_seen
from streams.watch.prefetch import Block

TERM = Term(1)


def world_policy(world: World, owner: str, pool: DevnetPool, chain_id: int, **changes: Any) -> Policy:
    """Make a policy of a devnet's book that proposes soon after its range is left."""
    usdc = world.usdc_of(pool)
    usual: dict[str, Any] = {
        "book": "alpha",
        "chain": ChainProfile(
            chain_id=ChainId(chain_id),
            wrapped_native=Address(world.weth),
            position_manager=Address(world.position_manager),
            factory=Address(world.factory),
            router=Address(world.router),
        ),
        "owner": owner,
        "accounts": (owner,),
        "base": world.weth,
        "quote": usdc,
        "tokens": (
            TokenSpec(address=Address(world.weth), symbol="WETH", decimals=18),
            TokenSpec(address=Address(usdc), symbol="USDC", decimals=6),
        ),
        "pools": (pool.address,),
        "reference_pool": pool.address,
        "strategy": TargetBand(
            band_bps=Bps(4_900),
            hysteresis_bps=Bps(100),
            hold_out_of_range_s=Seconds(84),
            cooldown_s=Seconds(120),
        ),
        "limits": Limits(
            twap_window_s=Seconds(60),
            max_spot_from_twap_log_bps=LogBps(2_000),
            max_slippage_bps=Bps(300),
            max_cost_bps=Bps(1_000),
            max_daily_cost_bps=Bps(10_000),
            max_daily_gas_bps=Bps(10_000),
            max_actions_per_day=1_000,
            max_age_blocks=8,
            signer=SignersLimits(
                max_loss_bps=Bps(900), max_share_of_depth_bps=Bps(10_000), twap_window_s=Seconds(60)
            ),
        ),
        "action": Rerange(
            half_width_log_bps=LogBps(500),
            reserve_base=RawAmount(10**18),
            reserve_quote=RawAmount(3_000 * 10**6),
        ),
    }
    made = Policy(**(usual | changes))
    return msgspec.structs.replace(made, policy_version=version_of(made))


class Followed:
    """One shard with one book, which follows a devnet."""

    def __init__(self, node: Node, policy: Policy) -> None:
        self.node, self.policy = node, policy
        self.shard = Shard(ShardId(0))
        self.log: list[AnyEvent] = []
        self.said: list[Output] = []

    async def begin(self) -> None:
        self.take(WriterStarted(term=TERM, instance="test"))
        self.take(PolicySet(policy=self.policy))
        await self.read_wanted((await self.node.newest()).block)

    def take(self, event: AnyEvent) -> list[Output]:
        """Apply an event after encoding and decoding it."""
        event = decode_event(encode(event), where="test")
        outputs = drive(self.shard, [event])
        self.log.append(event)
        self.said += outputs
        return outputs

    async def read_wanted(self, block) -> None:
        for _ in range(4):
            place = ReadContext(chain=self.policy.chain, block=block, term=TERM)
            async for event in observe(self.node, place, wanted(self.shard.tables), multicall=MULTICALL3):
                self.take(event)
        assert not wanted(self.shard.tables)

    async def catch_up(self) -> list[Output]:
        """Apply every new block, and return the shard's outputs."""
        outputs: list[Output] = []
        newest = await self.node.newest()
        head = self.shard.tables.head
        assert head is not None
        for number in range(head.number + 1, newest.block.number + 1):
            (header,) = await self.node.headers([BlockNumber(number)])
            assert header is not None
            (body,) = await self.node.bodies([header])
            assert body is not None
            blocks: Sequence[Block] = [Block(header, body, {})]
            (event,) = await blocks_seen(self.shard.tables, self.node, blocks, TERM, multicall=MULTICALL3)
            outputs += self.take(event)
            before = len(self.said)
            await self.read_wanted(header.block)
            outputs += self.said[before:]
        return outputs

    def copy(self) -> Shard:
        """Copy the shard through the bytes of a checkpoint, with its frames."""
        entries = {
            key: decode_entry(key, encode_entry(value))
            for key, value in self.shard.tables.changes().items()
            if value is not None
        }
        return Shard(ShardId(0), entries)

    def record_of(self, block: BlockRef) -> tuple[int, BlockSeen]:
        """Return a block's record and its offset."""
        for offset, event in enumerate(self.log):
            if isinstance(event, BlockSeen) and event.block == block:
                return offset, event
        raise AssertionError(block)


def node_of(url: str) -> HttpNode:
    return HttpNode(url, timeout_s=10)
