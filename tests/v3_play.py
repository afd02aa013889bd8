"""One pool on a real chain with random actors, whose whole state is followed and compared."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass, field

from v3_actors import Actors
from v3_follower import Follower, raw_log
from v3_truth import Truth

from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import read
from streams.devnet.transactions import DEPLOY_GAS, Tx
from streams.devnet.world import DevnetPool, Pair, World

FACTORY = "uniswap-v3/UniswapV3Factory"
BLOCKS = 120
CHECK_EVERY = 5
PAUSES_S = (0, 1, 12, 12, 60, 3600)
SPANS_S = (0, 1, 12, 13, 300, 5_000, 10**6)


@dataclass
class Play:
    """A chain, the followed state of one pool, and the accounts that act on it."""

    chain: Chain
    world: World
    pool: DevnetPool
    seed: int
    most: Pair
    most_liquidity: int
    next_block: int = 0
    follower: Follower = field(init=False)
    truth: Truth = field(init=False)
    actors: Actors = field(init=False)

    def __post_init__(self) -> None:
        pool, rng = self.pool, random.Random(self.seed)
        self.follower = Follower(
            pool.address, self.world.position_manager, fee_pips=pool.fee_pips, tick_spacing=pool.tick_spacing
        )
        self.truth = Truth(self.chain, self.follower)
        self.actors = Actors(rng, self.world, pool, self.follower, self.most, self.most_liquidity)
        self.rng = rng

    def run(self, blocks: int = BLOCKS) -> Counter[str]:
        """Act, follow and sometimes compare; return how often each case occurred."""
        self.follow()
        self.truth.check()
        for number in range(blocks):
            self.mine([self.actors.act() for _ in range(self.rng.choice((1, 2, 6)))])
            self.follow()
            if number % CHECK_EVERY == 0:
                self.truth.check()
                self.truth.check_averages(SPANS_S)
        self.truth.check()
        return self.follower.seen

    def mine(self, txs: list[Tx]) -> list[bool]:
        """Mine transactions into one block, and return which succeeded."""
        hashes = [self.chain.send(tx) for tx in txs]
        self.chain.rpc(
            "evm_setNextBlockTimestamp", self.chain.header().timestamp_s + self.rng.choice(PAUSES_S)
        )
        self.chain.mine()
        return [self.chain.receipt(sent).succeeded for sent in hashes]

    def follow(self) -> None:
        """Apply every block up to the head, and sometimes rebuild from the entries."""
        head = self.chain.header().number
        logs = self.chain.rpc(
            "eth_getLogs",
            {
                "fromBlock": hex(self.next_block or self.world.first_block),
                "toBlock": hex(head),
                "address": [self.pool.address, self.world.position_manager],
            },
        )
        for number, block in itertools.groupby(logs, lambda log: int(log["blockNumber"], 16)):
            timestamp_s = self.chain.header(number).timestamp_s
            self.follower.take_block(map(raw_log, block), timestamp_s, rebuild=self.rng.random() < 0.5)
        self.next_block = head + 1


def create_pool(
    chain: Chain, world: World, *, fee_pips: int, tick_spacing: int, price_x96: int
) -> DevnetPool:
    """Create a pool of the two USDCs, which can be minted without limit."""
    sender = world.accounts.deployer
    if read(chain, world.factory, FACTORY, "feeAmountTickSpacing", fee_pips) == 0:
        enable = function(FACTORY, "enableFeeAmount").calldata(fee_pips, tick_spacing)
        chain.execute(Tx(sender=sender, to=world.factory, data=enable))
    token0, token1 = world.usdc_low, world.usdc_high
    create = function(FACTORY, "createPool").calldata(token0, token1, fee_pips)
    chain.execute(Tx(sender=sender, to=world.factory, data=create, gas=DEPLOY_GAS))
    address = read(chain, world.factory, FACTORY, "getPool", token0, token1, fee_pips)
    begin = function("uniswap-v3/UniswapV3Pool", "initialize").calldata(price_x96)
    chain.execute(Tx(sender=sender, to=address, data=begin))
    for actor in (world.callee, *world.accounts.owners):
        chain.execute(*(actions.mint_usdc(token, sender, actor, 10**60) for token in (token0, token1)))
    return DevnetPool(
        name="made for one test",
        address=address,
        token0=token0,
        token1=token1,
        fee_pips=fee_pips,
        tick_spacing=tick_spacing,
    )
