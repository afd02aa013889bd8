"""The demo's events, block by block: order flow, faults, a new pool, a reorg."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from pipeline import keys
from pipeline.errors import DevnetError
from streams.cli.demo import hedged, three_assets
from streams.cli.demo.checks import Checks
from streams.cli.demo.hedged import Compared
from streams.cli.demo.screen import Screen
from streams.cli.demo.second_opinion import inventory_at
from streams.cli.demo.stage import COOLDOWN_S, LIVE_BOOK, RANGE_TICKS, TARGET_BPS, Cast, Stage
from streams.cli.demo.unwound import Unwound, standing_at
from streams.cli.demo.witness import Witness
from streams.devnet import actions
from streams.devnet.chain import DevnetBlock
from streams.devnet.reads import range_around, slot0
from streams.settings import DEFAULT_PARTITIONS

BLOCKS, BEFORE = 200, 50
REORG_DEPTH = 5
BLOCK_S = 0.22
CATCH_UP_S = 45.0
MOST_LAST_BLOCKS, MOST_UNWIND_BLOCKS = 25, 45
_BLOCK_TIME_S = 12
_COMPARE_EVERY, _VALUE_EVERY = 2, 10


class Told(msgspec.Struct, kw_only=True):
    """What the story did, for the verdict."""

    orphaned: set[str] = msgspec.field(default_factory=set)
    killed: list[str] = msgspec.field(default_factory=list)
    branch_proposals: int = 0
    done: set[str] = msgspec.field(default_factory=set)
    """Plans of the book that re-ranges which were carried out to the end."""
    hedged: set[str] = msgspec.field(default_factory=set)
    """Plans of the hedged book which were."""
    pair: Compared = msgspec.field(default_factory=Compared)
    unwound: Unwound | None = None
    """How the hedge was ended; None before."""
    allowances: dict[str, int] = msgspec.field(default_factory=dict)
    live_deviation_bps: list[int] = msgspec.field(default_factory=list)
    control_deviation_bps: list[int] = msgspec.field(default_factory=list)
    dry_runs: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """What they came to."""
    untried: int = 0
    """Proposals of dry-run books that nobody has told of in time."""


class Story:
    """Runs the devnet's blocks, and does to the workers what production does."""

    def __init__(self, stage: Stage, witness: Witness, checks: Checks, screen: Screen) -> None:
        self._stage, self._witness, self._checks, self._screen = stage, witness, checks, screen
        self.told = Told()
        self._number = BEFORE
        self._shards = len(stage.shards(DEFAULT_PARTITIONS))
        self._reorg_due_at = 145

    async def run(self) -> DevnetBlock:
        """Tell blocks 51 to 200 and return the last."""
        events: Mapping[int, Callable[[], Awaitable[None]]] = {
            80: self._add_pool,
            90: self._tend,
            100: lambda: self._kill("work"),
            120: lambda: self._kill("watch"),
        }
        head = self._stage.devnet.chain.header()
        while self._number < BLOCKS:
            head = await self._block()
            if self._number in events:
                await events[self._number]()
            if self._number >= self._reorg_due_at and (self._ripe(head) or self._number >= BLOCKS - 15):
                await self._reorg()
                self._reorg_due_at = BLOCKS + 1
        await self._finish_plans()
        self.told.pair.trading_cost = self._cost_of_the_hedge()
        await self._unwind()
        await self._finish_dry_runs()
        self._count_plans()
        self.told.allowances = self._stage.allowances(LIVE_BOOK)
        return self._stage.devnet.chain.header()

    def _count_plans(self) -> None:
        """Note which plans were carried out."""
        ends = {d["plan"]: d for d in self._witness.alerts if d["type"] == "PlanClosed"}
        done = {plan for plan, end in ends.items() if end["outcome"]["kind"] == "done"}
        of_hedge = {plan for plan, end in ends.items() if end["book"] == hedged.BOOK}
        self.told.done, self.told.hedged = done - of_hedge, done & of_hedge

    def _cost_of_the_hedge(self) -> int:
        """Add up what its plans have cost so far, in raw dollars."""
        ends = {
            d["plan"]: d["cost"]
            for d in self._witness.alerts
            if d["type"] == "PlanClosed" and d["book"] == hedged.BOOK
        }
        return sum(int(cost["gas_quote"]) + int(cost["swap_loss"]) for cost in ends.values() if cost)

    async def _finish_plans(
        self, most_blocks: int = MOST_LAST_BLOCKS, until: Callable[[], bool] = lambda: True
    ) -> None:
        """Let what is under way come to its end, and what it is to come to be there."""
        for _ in range(most_blocks):
            await self.settled(self._stage.devnet.chain.header())
            opened = [d["plan"] for d in self._witness.alerts if d["type"] == "PlanOpened"]
            closed = {d["plan"] for d in self._witness.alerts if d["type"] == "PlanClosed"}
            is_over = all(plan in closed for plan in opened)
            if is_over and not any(self._stage.allowances(LIVE_BOOK).values()) and until():
                return
            await self._block()

    async def _unwind(self) -> None:
        """End the hedge as its owner would: it is in the comparison with its twin no more."""
        chain, pair, so_far = self._stage.devnet.chain, self._stage.hedged, self.told.pair.trading_cost
        begun_at = chain.header().number
        before = standing_at(pair, chain, begun_at)
        self.told.unwound = Unwound(before=before, after=before, begun_at=begun_at, ended_at=begun_at)
        self._screen.say(f"evenkeel unwind {hedged.BOOK}: its owner ends the hedge")
        await self._stage.run("unwind", hedged.BOOK, "--yes")
        await self._finish_plans(
            MOST_UNWIND_BLOCKS, lambda: not standing_at(pair, chain, chain.header().number).left
        )
        ended_at = chain.header().number
        self.told.unwound = Unwound(
            before=before,
            after=standing_at(pair, chain, ended_at),
            begun_at=begun_at,
            ended_at=ended_at,
            cost=self._cost_of_the_hedge() - so_far,
        )

    async def _finish_dry_runs(self) -> None:
        """Wait until all proposals that do not act were tried."""
        wanted = sum(
            said["type"] == "RebalanceProposed" and said["book"] not in self._stage.live
            for said in self._witness.decisions
        )
        await self._witness.until(lambda: len(self._witness.tried) >= wanted, CATCH_UP_S)
        self.told.untried = wanted - len(self._witness.tried)
        self.told.dry_runs = [said["run"] for said in self._witness.tried]
        self._screen.show(self._witness, self._stage.devnet.chain.header().number, self._stage)

    async def settled(self, head: DevnetBlock) -> None:
        """Wait until every book's shard stands at a block. Raises: DevnetError."""
        shards = self._shards
        if not await self._witness.until(lambda: self._witness.at(head.hash, shards), CATCH_UP_S):
            raise DevnetError(
                f"after {CATCH_UP_S:.0f} s the shards stand at {self._witness.heads}, the chain at {head.number}"
            )
        self._checks.judge_new(self._witness, self.told.orphaned)
        self._screen.show(self._witness, head.number, self._stage)

    def _compare(self, head: DevnetBlock) -> None:
        """Note how far the live book and the control are from their target, and what the hedged book and its twin are worth."""
        chain, pair = self._stage.devnet.chain, self._stage.hedged
        if self.told.unwound is None:
            self.told.pair.add(pair.at(chain, head.number, _BLOCK_TIME_S))
        book = self._witness.books.get(keys.book(LIVE_BOOK))
        if book is None or head.number % _COMPARE_EVERY:
            return
        control = inventory_at(chain, self._stage.world, self._stage.control, head.number)
        self.told.live_deviation_bps.append(abs(int(book["deviation_bps"])))
        self.told.control_deviation_bps.append(abs(control.base_share_bps - TARGET_BPS))

    async def _block(self, *, wait: bool = True) -> DevnetBlock:
        begun_s = time.monotonic()
        devnet = self._stage.devnet
        self._stage.third.trade(devnet.chain, self._number)
        head = devnet.flow.block(self._stage.hedged.tell_price(devnet.flow.price_usdc))
        self._number += 1
        if wait:
            await self._witness.until(lambda: self._witness.at(head.hash, self._shards), 2.0)
        self._checks.judge_new(self._witness, self.told.orphaned)
        if self._number % _VALUE_EVERY == 0:
            for book in (three_assets.BOOK, hedged.BOOK):
                self._checks.judge_view(self._witness, book)
        self._screen.show(self._witness, head.number, self._stage)
        self._compare(head)
        await self._witness.until(lambda: False, max(0.0, BLOCK_S - (time.monotonic() - begun_s)))
        return head

    # -------------------------------------------------------------- what happens
    async def _add_pool(self) -> None:
        """Give both books a pool in which their owners have long had an NFT."""
        await self.settled(self._stage.devnet.chain.header())
        self._screen.say("a new policy: both books take up the 0.3 % pool")
        self._stage.shared = True
        await self._stage.apply()

    async def _tend(self) -> None:
        """Let the owners collect, take liquidity out, wrap, and open another position."""
        stage, world = self._stage, self._stage.world
        self._screen.say("the owner of the book that only proposes collects, decreases, wraps, and mints")
        for actor in self._by_hand():
            first, second, _ = stage.token_ids[actor.book]
            spread = range_around(stage.devnet.chain, actor.pool, -RANGE_TICKS, RANGE_TICKS)
            liquidity = stage.liquidity(second) // 3
            for tx in (
                actions.collect(world, actor.owner, first),
                actions.decrease(world, actor.owner, second, liquidity),
                actions.wrap(world, actor.owner, 10**18),
                actions.mint_position(
                    world, actor.owner, actor.pool, spread, world.amounts(actor.pool, 10**18)
                ),
            ):
                stage.devnet.chain.send(tx)

    def _by_hand(self) -> list[Cast]:
        """List who transacts by hand: a live book's key belongs to its signer alone."""
        return [actor for actor in self._stage.cast if actor.book not in self._stage.live]

    async def _kill(self, command: str) -> None:
        """Kill -9 a process, and let blocks pile up while it is gone."""
        if not self._stage.kill(command):
            raise DevnetError(f"there is no `{command}` to kill")
        self.told.killed.append(command)
        self._screen.say(f"kill -9 of `{command}`; blocks go on")
        for _ in range(6):
            await self._block(wait=False)
        await self.settled(self._stage.devnet.chain.header())
        self._screen.say(f"`{command}` is back and has caught up")

    # -------------------------------------------------------------- the reorg
    def _ripe(self, head: DevnetBlock) -> bool:
        """Return whether a book may propose within the branch: its cooldown must end there."""
        return any(
            self._may_propose(actor, head.timestamp_s + 2 * _BLOCK_TIME_S) for actor in self._stage.cast
        )

    def _may_propose(self, actor: Cast, at_s: int) -> bool:
        last_s = self._checks.last_proposed_at_s.get(actor.book)
        return last_s is None or at_s >= last_s + COOLDOWN_S

    async def _reorg(self) -> None:
        """Mine a branch with a proposal, a mint and an NFT transfer in it, then take it away."""
        chain = self._stage.devnet.chain
        await self.settled(chain.header())
        base = chain.header()
        before = len(self._witness.decisions)
        self._screen.say(f"a branch of {REORG_DEPTH} blocks from {base.number}: it will go away")
        for step in range(REORG_DEPTH):
            self._send_branch(step)
            head = chain.mine()
            self.told.orphaned.add(head.hash)
            await self.settled(head)
        self.told.branch_proposals = sum(
            d["type"] == "RebalanceProposed" and d["because_of"]["block"]["hash"] in self.told.orphaned
            for d in self._witness.decisions[before:]
        )
        chain.rollback(REORG_DEPTH)
        self._screen.say(
            f"reorg: {REORG_DEPTH} blocks are gone, {self.told.branch_proposals} proposals with them"
        )
        await self._block(wait=False)
        await self.settled(await self._block(wait=False))

    def _send_branch(self, step: int) -> None:
        stage, world, chain = self._stage, self._stage.world, self._stage.devnet.chain
        for actor in stage.cast:
            if step == 1:
                self._send_whale(actor)
            elif actor.book in stage.live:
                continue
            elif step == 2:
                spread = range_around(chain, actor.pool, -RANGE_TICKS, RANGE_TICKS)
                amounts = world.amounts(actor.pool, 10**18)
                chain.send(actions.mint_position(world, actor.owner, actor.pool, spread, amounts))
                provider = world.accounts.providers[0]
                chain.send(actions.mint_position(world, provider, actor.pool, spread, amounts))
            elif step == 3:
                first = stage.token_ids[actor.book][0]
                chain.send(actions.transfer_nft(world, actor.owner, world.accounts.spare[0], first))

    def _send_whale(self, actor: Cast) -> None:
        """Push a pool's price further the way its book leans: over ticks, out of every narrow range."""
        stage, world = self._stage, self._stage.world
        deviation_bps = int(self._witness.books.get(keys.book(actor.book), {}).get("deviation_bps", 0))
        sells_weth = deviation_bps > 0  # a falling price makes liquidity into more base
        weth_is_token0 = actor.pool.token0 == world.weth
        down = sells_weth == weth_is_token0
        at = slot0(stage.devnet.chain, actor.pool)
        factor = 4 * RANGE_TICKS
        limit_x96 = int(at.sqrt_price_x96 * 1.0001 ** ((-factor if down else factor) / 2))
        token, amount = (world.weth, 20_000 * 10**18) if sells_weth else (actor.usdc, 60_000_000 * 10**6)
        trader = world.accounts.traders[0]
        stage.devnet.chain.send(
            actions.swap_exact_in(world, trader, actor.pool, token, amount, limit_x96=limit_x96)
        )
