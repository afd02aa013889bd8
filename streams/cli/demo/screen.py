"""Show the demo live on a terminal; elsewhere print a line now and then."""

import sys
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline import keys
from pipeline.messages.base import Output
from pipeline.messages.policy import Policy
from streams.cli.console import out
from streams.cli.demo.stage import Cast, Stage
from streams.cli.demo.witness import Witness
from streams.cli.record_fields import with_stated_type
from streams.cli.sentences import sentence
from streams.devnet.reads import slot0
from streams.kafka.codec import decode_output
from streams.plain_text import one_line

_LINES, _BAR, _EVERY = 12, 40, 10
_LEAST_BAR, _BESIDE_THE_BAR = 12, 64


class Screen:
    """Shows the books against their bands, and what happens."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._live = Live(console=out(), refresh_per_second=8, transient=False)
        self._is_live = sys.stdout.isatty()
        self._block = 0
        self._told = 0
        self._tried = 0
        self._alerts = 0

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Return what happens."""
        text = one_line(text)
        self._lines.append(f"block {self._block}: {text}")
        if not self._is_live:
            sys.stdout.write(f"block {self._block:>4}  {text}\n")
            sys.stdout.flush()

    def show(self, witness: Witness, block: int, stage: Stage) -> None:
        """Draw the present."""
        self._block = block
        for said in witness.decisions[self._told :]:
            self.say(describe(said))
        self._told = len(witness.decisions)
        for tried in witness.tried[self._tried :]:
            self.say(describe_dry_run(tried))
        self._tried = len(witness.tried)
        for alert in witness.alerts[self._alerts :]:
            self.say(_alert(alert, witness.policies))
        self._alerts = len(witness.alerts)
        if self._is_live:
            self._live.update(Group(_table(witness, stage), Text("\n".join(self._lines))))
        elif block % _EVERY == 0:
            sys.stdout.write(f"block {block:>4}  {_in_a_line(witness)}\n")
            sys.stdout.flush()


def describe(said: dict[str, Any]) -> str:
    """Say a decision in a line."""
    if said["type"] == "RebalanceProposed":
        side = "buy" if int(said["base_to_buy"]) > 0 else "sell"
        amount = abs(int(said["base_to_buy"])) / 10**18
        borrowed = int(said.get("base_to_borrow", 0)) / 10**18
        hedge = f", {'borrow' if borrowed > 0 else 'repay'} {abs(borrowed):.3f}" if borrowed else ""
        return (
            f"{said['book']}: PROPOSES to {side} {amount:.3f} WETH{hedge} ({said['trigger']}, "
            f"{int(said['deviation_bps']) / 100:+.1f} % off target)"
        )
    item = f" ({said['item']})" if said["item"] else ""
    return f"{said['book']}: declines at {said['gate']}: {said['reason']}{item}"


def describe_dry_run(said: dict[str, Any]) -> str:
    """Describe what came of a dry-run in a line."""
    run = said["run"]
    if run["outcome"] != "done":
        return (
            f"{said['book']}: a dry-run of block {said['at']['number']} is {run['outcome']}: {run['reason']}"
        )
    before, after = (int(run[when]["deviation_bps"]) / 100 for when in ("before", "after"))
    gas = sum(int(step["gas_used"]) for step in run["steps"])
    return (
        f"{said['book']}: a dry-run of block {said['at']['number']} brings it from {before:+.1f} % to "
        f"{after:+.1f} % off target with {len(run['steps'])} transactions, {gas:,} gas"
    )


def _alert(said: dict[str, Any], policies: Mapping[str, Policy]) -> str:
    """Describe in a sentence what else came of a block: a plan's progress, an alert."""
    output = decode_output(msgspec.json.encode(with_stated_type(said)))
    assert isinstance(output, Output)  # nothing else lies on decisions.v1
    return sentence(output, policies.get(said.get("book", "")))


def _bar(share_bps: int, actor: Cast, width: int) -> str:
    """Draw the base share from 0 to 100 % with its band."""
    place = min(width - 1, share_bps * width // 10_000)
    low, high = ((actor.target_bps + d) * width // 10_000 for d in (-actor.band_bps, actor.band_bps))
    return "".join("●" if i == place else "─" if low <= i <= high else "·" for i in range(width))


def _table(witness: Witness, stage: Stage) -> Table:
    table = Table(title=f"chain at {stage.devnet.chain.header().number}, shards at {witness.heads}", box=None)
    for column in ("book", "WETH at USDC", "NFTs in range", "base share in its band", "value USDC"):
        table.add_column(column)
    width = min(_BAR, max(_LEAST_BAR, out().width - _BESIDE_THE_BAR))
    for actor in stage.shown:
        book = witness.books.get(keys.book(actor.book))
        mine = [p for p in witness.positions.values() if p["book"] == actor.book]
        ranges = f"{sum(p['in_range'] for p in mine)} of {len(mine)}"
        price = _price(
            slot0(stage.devnet.chain, actor.pool).sqrt_price_x96, actor.pool.token0 == stage.world.weth
        )
        share = int(book["base_share_bps"]) if book else 0
        value = f"{int(book['value_quote']) / 10**6:,.0f}" if book else "not known"
        table.add_row(
            actor.book, f"{price:,.1f}", ranges, f"{_bar(share, actor, width)} {share / 100:.1f} %", value
        )
    return table


def _price(sqrt_price_x96: int, weth_is_token0: bool) -> float:
    raw = (sqrt_price_x96 / 2**96) ** 2
    return raw * 10**12 if weth_is_token0 else 10**12 / raw


def _in_a_line(witness: Witness) -> str:
    books = sorted(witness.books.values(), key=lambda book: str(book["book"]))
    shares = ", ".join(f"{b['book']} {int(b['base_share_bps']) / 100:.1f} %" for b in books)
    return f"shards at {witness.heads}; base shares {shares or 'not known yet'}"
