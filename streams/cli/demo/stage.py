"""Set up the demo: a devnet, four books with their NFTs, a portfolio file, and `evenkeel up`."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import msgspec

from pipeline.errors import DevnetError
from pipeline.units import BookId
from streams.cli.demo import hedged, three_assets
from streams.cli.demo.allowances import allowances
from streams.cli.demo.children import arguments_of, children_of
from streams.cli.demo.files import BOOK, LIMITS, PORTFOLIO, SIGNER
from streams.cli.demo.hedged import HedgedPair
from streams.cli.demo.second_opinion import Terms
from streams.cli.demo.three_assets import ThreeAssets
from streams.devnet import actions, net, reads
from streams.devnet.deploy import USDC_EACH, WETH_EACH
from streams.devnet.reads import minted_token_id, range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import FIRST_PRICE_USDC, DevnetPool, World
from streams.human_numbers import price_move_text
from streams.kafka.topics import shard_of

LIVE_BOOK = BookId("usdc-low")
OWN_WETH = 25 * 10**18
OWN_NATIVE_WEI = 3 * 10**18
OWN_USDC = 25 * FIRST_PRICE_USDC * 10**6
PROVIDED_WETH = 15 * 10**18
RANGE_TICKS = 250
TARGET_BPS, BAND_BPS, HYSTERESIS_BPS = 5_000, 800, 200
COOLDOWN_S, HOLD_S = 216, 360
END_S = 10.0


@dataclass(frozen=True)
class Cast:
    """One book of the demo."""

    book: BookId
    owner: str
    pool: DevnetPool
    usdc: str
    other_usdc: str
    target_bps: int = TARGET_BPS
    band_bps: int = BAND_BPS


@dataclass
class Stage:
    """The devnet with its books, and the process tree of `evenkeel up`."""

    devnet: net.Devnet
    folder: Path
    cast: tuple[Cast, ...]
    third: ThreeAssets
    """A book that is watched only."""
    hedged: HedgedPair
    token_ids: dict[str, list[int]] = field(default_factory=dict)
    shared: bool = False
    live: frozenset[str] = frozenset()
    """Books that act; the others only propose."""
    submits: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    up: "subprocess.Popen[bytes] | None" = None

    @property
    def world(self) -> World:
        return self.devnet.world

    @property
    def shown(self) -> tuple[Cast, ...]:
        """List every book, also the one that is watched only and the one that is hedged."""
        third, pair = self.third, self.hedged
        watched = self._beside(three_assets.BOOK, third.reference, third.terms())
        return *self.cast, watched, self._beside(hedged.BOOK, pair.pool, pair.terms(pair.owner))

    def _beside(self, book: BookId, pool: DevnetPool, terms: Terms) -> Cast:
        return Cast(
            book=book,
            owner=terms.owner,
            pool=pool,
            usdc=self.world.usdc_low,
            other_usdc=self.world.usdc_high,
            target_bps=terms.target_bps,
            band_bps=terms.band_bps,
        )

    def shards(self, partitions: int) -> set[int]:
        """List the shards on which the books live."""
        return {shard_of(actor.book, partitions) for actor in self.shown}

    def terms(self, book: str) -> Terms:
        """Tell an outsider what the portfolio file says of a book."""
        if book == three_assets.BOOK:
            return self.third.terms()
        if book == hedged.BOOK:
            return self.hedged.terms(self.hedged.owner)
        actor = next(actor for actor in self.cast if actor.book == book)
        return Terms(
            owner=actor.owner,
            usdc=actor.usdc,
            usdc_at_par=(actor.usdc, actor.other_usdc),
            pools=self.pools_of(actor),
            reference=actor.pool,
            target_bps=TARGET_BPS,
            band_bps=BAND_BPS,
            hysteresis_bps=HYSTERESIS_BPS,
            cooldown_s=COOLDOWN_S,
        )

    def pools_of(self, actor: Cast) -> tuple[DevnetPool, ...]:
        return (actor.pool, self.world.pool("weth_usdc_low_3000")) if self.shared else (actor.pool,)

    def write_portfolio(self) -> Path:
        """Write the portfolio as it stands in the story."""
        books = [
            BOOK.substitute(
                book=actor.book,
                owner=actor.owner,
                weth=self.world.weth,
                usdc=actor.usdc,
                other=actor.other_usdc,
                pools=", ".join(f'"{pool.address}"' for pool in self.pools_of(actor)),
                reference=actor.pool.address,
                hold_s=HOLD_S,
                half_width=price_move_text(2 * RANGE_TICKS),
                mode="live" if actor.book in self.live else "dry-run",
                cooldown_s=COOLDOWN_S,
                limits=LIMITS,
            )
            for actor in self.cast
        ]
        books += [self.third.section(), self.hedged.section()]
        file, market = self.folder / "portfolio.yaml", self.hedged.market
        file.write_text(
            PORTFOLIO.substitute(
                chain_id=self.world.chain_id,
                lending=market.pool,
                configurator=market.configurator,
                oracle=market.oracle,
                books="".join(books),
            )
        )
        return file

    async def apply(self) -> None:
        """Let the portfolio as it stands hold, as `evenkeel apply` would."""
        await self.run("apply", "--live", str(self.write_portfolio()))

    async def run(self, *command: str) -> None:
        """Run one of `evenkeel`'s commands to its end. Raises: DevnetError."""
        with self._log() as log:
            called = (sys.executable, "-m", "streams.cli", *command)
            running = await asyncio.create_subprocess_exec(
                *called, stdout=log, stderr=log, env=self._environment()
            )
        if await running.wait():
            raise DevnetError(f"`evenkeel {command[0]}` failed: see {self.folder / 'up.log'}")

    @property
    def control(self) -> Terms:
        """A provider with the live book's first purse and ranges, who never acts."""
        return msgspec.structs.replace(
            self.terms(LIVE_BOOK), owner=self.world.accounts.owners[2], pools=(self.cast[0].pool,)
        )

    def allowances(self, book: str) -> dict[str, int]:
        """Ask what the router and the manager may still take of a book's tokens."""
        actor = next(actor for actor in self.cast if actor.book == book)
        world = self.world
        spenders = {"router": world.router, "manager": world.position_manager}
        return allowances(self.devnet.chain, actor.owner, {"WETH": world.weth, "USDC": actor.usdc}, spenders)

    def liquidity(self, token_id: int) -> int:
        """Ask what an NFT holds now."""
        return reads.position(self.devnet.chain, self.world, token_id).liquidity

    # -------------------------------------------------------------- processes
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "EVENKEEL_FOLDER": str(self.folder), "EVENKEEL_INSTANCE": "demo"}

    def _log(self) -> IO[bytes]:
        return (self.folder / "up.log").open("ab")

    def start_up(self, portfolio: Path) -> None:
        """Start `evenkeel up`: the watcher and the worker as a user would run them."""
        with self._log() as log:
            self.up = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "streams.cli", "up", "--live", str(portfolio)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
            )

    def kill(self, command: str) -> bool:
        """Kill -9 one of `up`'s children, by the command it runs; False if there is none just now."""
        assert self.up is not None
        for pid in children_of(self.up.pid):
            if command in arguments_of(pid):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def start_submit(self, book: str) -> None:
        """Start the signer of a live book, as a user would run it."""
        file = self.folder / f"signer-{book}.yaml"
        file.write_text(self._signer_file(book))
        with (self.folder / f"submit-{book}.log").open("ab") as log:
            self.submits.append(
                subprocess.Popen(  # noqa: S603 - our own command
                    [sys.executable, "-m", "streams.cli", "submit", "--live", "--new-signer", str(file)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment(),
                )
            )

    def _signer_file(self, book: str) -> str:
        if book == hedged.BOOK:
            return self.hedged.signer_file()
        actor = next(actor for actor in self.cast if actor.book == book)
        terms = {"chain_id": self.world.chain_id, "pool": actor.pool.address, "usdc": actor.usdc}
        return SIGNER.substitute(terms, account=actor.owner, venues="")

    def stop_up(self) -> None:
        for submit in self.submits:
            submit.terminate()
        if self.up is not None and self.up.poll() is None:
            self.up.terminate()
            try:
                self.up.wait(END_S + 5)
            except subprocess.TimeoutExpired:
                self.up.kill()


@contextmanager
def staged(folder: Path, cache: Path, seed: int, say: Callable[[str], None]) -> Iterator[Stage]:
    """Bring everything up but `evenkeel` itself; take all of it down at the end."""
    with net.up(folder / "devnet", seed=seed, cache=cache, usual_ports=False, say=say) as devnet:
        world = devnet.world
        names = ((LIVE_BOOK, "weth_usdc_low_500"), (BookId("usdc-high"), "weth_usdc_high_500"))
        cast = tuple(
            Cast(
                book=book,
                owner=owner,
                pool=world.pool(name),
                usdc=world.usdc_of(world.pool(name)),
                other_usdc=next(
                    t for t in (world.usdc_low, world.usdc_high) if t != world.usdc_of(world.pool(name))
                ),
            )
            for (book, name), owner in zip(names, world.accounts.owners, strict=False)
        )
        third = three_assets.three_assets(devnet.chain, world, cache)
        pair = hedged.hedged_pair(devnet.chain, world, cache)
        stage = Stage(devnet=devnet, folder=folder, cast=cast, third=third, hedged=pair)
        try:
            for actor in cast:
                _endow(stage, actor)
            _endow(stage, replace(cast[0], book=BookId("control"), owner=world.accounts.owners[2]))
            yield stage
        finally:
            stage.stop_up()


def _endow(stage: Stage, actor: Cast) -> None:
    """Leave an owner a small balanced purse, two NFTs in its pool and one in the pool that comes later."""
    world, chain = stage.world, stage.devnet.chain
    elsewhere = world.accounts.spare[0]
    shared = world.pool("weth_usdc_low_3000")
    native_wei = int(chain.rpc("eth_getBalance", actor.owner, "latest"), 16)
    chain.execute(
        Tx(sender=actor.owner, to=elsewhere, value_wei=native_wei - OWN_NATIVE_WEI),
        actions.transfer(world.weth, actor.owner, elsewhere, WETH_EACH - OWN_WETH),
        actions.transfer(actor.usdc, actor.owner, elsewhere, USDC_EACH - OWN_USDC),
        actions.transfer(actor.other_usdc, actor.owner, elsewhere, USDC_EACH - OWN_USDC // 5),
    )
    stage.token_ids[actor.book] = []
    for pool, ticks, weth in (
        (actor.pool, RANGE_TICKS, PROVIDED_WETH),
        (actor.pool, 4 * RANGE_TICKS, PROVIDED_WETH // 5),
        (shared, 6 * RANGE_TICKS, PROVIDED_WETH // 10),
    ):
        spread = range_around(chain, pool, -ticks, ticks)
        receipts = chain.execute(
            actions.mint_position(world, actor.owner, pool, spread, world.amounts(pool, weth))
        )
        stage.token_ids[actor.book].append(minted_token_id(receipts[0], world))
