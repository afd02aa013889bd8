"""A live book hedged at the toy future with all its processes, its portfolio file, its signer's file, and a keeper that the test controls."""

import asyncio
import json
import logging
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template
from subprocess import STDOUT
from typing import Any, Literal

import forked
from chaos_sender.house import House
from chaos_sender.setting import BOOK, RerangedBook
from chaos_sender.staff import Staff
from hedged_play import POOL, endow
from perp_forgery import LARGEST_SIZE, faults_of_call, faults_of_short, forged_call
from worlds.toy_perp.chain import NAME, deploy_perp
from worlds.toy_perp.half import KIND, MARKET
from worlds.toy_perp.keeper import Keeper

from pipeline import keys
from pipeline.decide.hedging import position_of
from pipeline.hedge.port import HedgePosition
from pipeline.messages.orders import Order
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import Call, SubmitTransaction
from streams.devnet import net
from streams.devnet.cache import DEFAULT_CACHE
from streams.devnet.chain import Chain
from streams.devnet.flow import FlowSettings
from streams.devnet.paths import PriceSettings
from streams.devnet.reads import ask
from streams.devnet.transactions import Tx
from streams.devnet.world import World

CALM = FlowSettings(price=PriceSettings(volatility_bps=2, jump_chance_bps=0, jump_bps=0))
STALL_BLOCKS = 5
"""Blocks of 12 s within `stall_after`."""
_COMMAND_S = 180.0
_ENTRY = Path(__file__).parent / "worlds/toy_perp/entry.py"
_PORTFOLIO = Template("""\
chain:
  id: $chain_id
  live_on: $chain_id
  wrapped_native: "$weth"
  factory: "$factory"
  position_manager: "$manager"
  router: "$router"
  final_depth_blocks: 12
  check_every_blocks: 20
  venues: [{name: $name, kind: $kind, future: "$future"}]
books:
  - book: alpha
    owner: "$owner"
    base: WETH
    quote: USDC
    tokens:
      - {symbol: WETH, address: "$weth", decimals: 18}
      - {symbol: USDC, address: "$usdc", decimals: 6}
    pools: ["$pool"]
    reference_pool: "$pool"
    strategy: {name: target_band, target_share: 35%, band: 34%, hysteresis: 1%, hold_out_of_range: 1000000s, cooldown: 48s}
    limits: {twap_window: 48s, max_spot_from_twap: 6.18%, max_slippage: 2%, swap_tolerance: 1%,
             max_cost: 3%, max_daily_cost: 10%, max_daily_gas: 10%, max_actions_per_day: 100, max_age_blocks: 12,
             max_notional: 400000, max_daily_notional: 10000000,
             signer: {max_loss: 10%, max_share_of_depth: 100%, twap_window: 3m, swap_tolerance: 1%}}
    rerange: {half_width: 22.14%, reserve_base: 2, reserve_quote: 120000, stall_after: 48s}
    hedge: {venue: $name, ratio: $ratio, cooldown: 24s, pace: 12s, oracle_within: 5%}
    mode: $mode
""")
_TERMS = Template(
    'venues:\n  - {name: $name, kind: $kind, contract: "$future", base: "$weth", quote: "$usdc", largest_size: $most}\n'
)


class PerpBook(RerangedBook):
    """A book that keeps its range, and is short at the future."""

    def __init__(self, chain: Chain, world: World, pool: str) -> None:
        cache = Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))
        self.perp = deploy_perp(chain, world, cache=cache)
        self.chain = chain
        super().__init__(chain, world, pool)
        self.keeper = Keeper(self.perp, self.owner)
        self.spenders |= {"future": self.perp.at}

    def endow(self, chain: Chain) -> str:
        owner = self.world.accounts.owners[0]
        endow(chain, self.world, owner, spenders=(self.perp.at,), half_width=1_000)
        return owner

    def portfolio(self, ratio: str, mode: str) -> str:
        world, pool = self.world, self.world.pool(self.pool)
        return _PORTFOLIO.substitute(
            chain_id=world.chain_id,
            weth=world.weth,
            usdc=world.usdc_of(pool),
            factory=world.factory,
            manager=world.position_manager,
            router=world.router,
            name=NAME,
            kind=KIND,
            future=self.perp.at,
            owner=self.owner,
            pool=pool.address,
            ratio=ratio,
            mode=mode,
        )

    def signer_file(self) -> str:
        usdc = self.world.usdc_of(self.world.pool(self.pool))
        terms = _TERMS.substitute(
            name=NAME, kind=KIND, future=self.perp.at, weth=self.world.weth, usdc=usdc, most=LARGEST_SIZE
        )
        return super().signer_file() + terms

    def each_block(self, price_usdc: float) -> tuple[Tx, ...]:
        """Let the future's price follow the fair one, and its keeper execute the requested orders."""
        return (self.perp.set_price(price_usdc), *self.keeper.block(self.chain))

    # -------------------------------------------------------------- what may be done at the future
    def forged(self, chain: Chain, dice: random.Random) -> Call | None:
        return forged_call(chain, self.perp, dice, self.owner)

    def faults_of_call(self, to: str, data: bytes) -> list[str] | None:
        if to != self.perp.at:
            return None
        return [*faults_of_call(data, ask(self.chain, to, MARKET)[0])]

    def faults_of_block(self, chain: Chain, block: int) -> list[str]:
        """List the faults of the short after a block with the owner's orders or margin, by the signer's file."""
        was, now = (self.perp.truth(chain, self.owner, block=each) for each in (block - 1, block))
        return [*faults_of_short(was, now)]


class PerpHouse(House):
    """A deployment with all its processes, each with the future in its registries."""

    book: PerpBook

    def _hire(self, kind: Any) -> Staff:
        staff = super()._hire(kind)
        staff._argv[1] = str(_ENTRY)
        return staff

    async def apply(
        self, policy: Policy | None = None, *, ratio: str = "0%", mode: Literal["live", "dry-run"] = "live"
    ) -> None:
        """Set another ratio in the portfolio file, and apply it as its owner does."""
        del policy
        (self.folder / "portfolio.yaml").write_text(self.book.portfolio(ratio, mode))
        await self.cli("apply", "portfolio.yaml", *(["--live"] if mode == "live" else []))

    def rehearses(self) -> Staff:
        """Start a process that tries proposals, and restart it whenever it ends."""
        staff = self._hire("rehearse")
        self.staff["rehearse"] = staff
        staff.start()
        return staff

    async def cli(self, *words: str, code: int = 0) -> str:
        """Run a command without a terminal, and return its exit code, its output and its messages."""
        staff = self.staff["work"]
        argv = [sys.executable, str(_ENTRY), *words]
        env = {**os.environ, **staff._env, "COLUMNS": "250"}
        with tempfile.TemporaryFile() as said:
            process = forked.Forked(argv, cwd=self.folder, env=env, stdout=said, stderr=STDOUT)
            ended = await asyncio.to_thread(process.wait, _COMMAND_S)
            said.seek(0)
            told = said.read().decode()
        assert ended == code, (words, told)
        return told

    async def objects(self, *words: str) -> list[dict[str, Any]]:
        told = await self.cli(*words, "--json")
        return [json.loads(line) for line in told.splitlines() if line.startswith("{")]

    # -------------------------------------------------------------- the hedge
    def held(self) -> HedgePosition:
        """Return the shard's values of the position."""
        return position_of(self.twin, self.twin.tables.need(keys.policy(BOOK), Policy))

    def order(self) -> Order | None:
        return self.held().order

    def mined_steps(self, step: str) -> list[SubmitTransaction]:
        """List the mined transactions of a step."""
        return [i for i in self.story.intents.values() if i.step == step and self.is_mined(i.digest)]

    async def sends(self, *transactions: Tx) -> None:
        """Mine a block of others' transactions."""
        await self.on_chain(lambda: self.chain.execute(*transactions))

    async def is_true(self) -> None:
        """Assert that the shard's values equal the contract's."""
        await self.settle()
        size, collateral, _ = await self.on_chain(self.book.perp.truth, self.chain, self.owner)
        held = self.held()
        assert (held.size, held.collateral) == (size, collateral)


@asynccontextmanager
async def opened(folder: Path, seed: int) -> AsyncIterator[PerpHouse]:
    """Start a deployment on a devnet of its own, and stop it at the end."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    cache = Path(os.environ.get("EVENKEEL_CACHE", DEFAULT_CACHE))
    with net.up(folder / "devnet", seed=seed, settings=CALM, cache=cache, usual_ports=False) as devnet:
        house = PerpHouse(devnet, folder, seed, POOL, book=PerpBook)
        try:
            await house.begin()
            yield house
        finally:
            await house.end()
