"""README's tour on one devnet without order flow: each command's screen, kept as text at 80 and at 120 columns.

`tests/kept_screens.py` says what is masked. A missing file is written, and the test fails once: look at it.
"""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from cli_run import Run
from kept_screens import differs, masked
from users import User

from pipeline.venues.abi import function
from streams.cli import node_row
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.node.blocking_rpc import BlockingRpc

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.timeout(720)]

KEPT = Path(__file__).parent / "tour"
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
WIDTHS = (80, 120)

SCREENS: dict[str, tuple[str, ...]] = {
    "devnet status": (),
    "check": (),
    "apply": (),
    "doctor": (),
    "inventory": (),
    "hedge": (),
    "curve book/usdc-low": (),
    "positions": (),
    "topics list": (),
    "topics tail decisions": ("--no-follow", "-n", "1", "--book", "usdc-low"),
    "why ID": (),
    "intents list": (),
    "help": (),
    "help settings": (),
    "help live": (),
    "help stopping": (),
}
"""What only looks, shown at both widths. The arguments are the test's own."""
ACTS = [
    "pause book/usdc-low --reason 'a look by hand'",
    "resume book/usdc-low",
    "kill",
    "resume",
    "adopt 17",
    "state verify",
    "drain",
    "resume",
]
LIVE_SCREENS: dict[str, tuple[str, ...]] = {
    "intents list": (),
    "topics tail decisions": ("--no-follow", "--from-beginning", "--book", "usdc-low", "--type"),
    "plans": (),
    "inventory": (),
    "positions": (),
    "why ID": (),
}
"""What shows a plan that has ended."""
LIVE_ACTS = [
    "kill --cancel",
    "resume",
    "kill --local signer.yaml",
    "submit --cancel-all signer.yaml",
    "resume --local signer.yaml",
    "drain",
]
STARTED = {"devnet up", "init", "up", "watch", "work", "rehearse", "submit signer.yaml --live"}
"""Started by the test itself: what goes on until Ctrl-C has a log, and no screen."""
ELSEWHERE = {"up --live --signer signer.yaml", "--install-completion"}
"""Run by tests/integration/test_cli_up_live.py; and not for a test, for it writes into the user's shell."""


class Guide:
    """Runs commands at a width, and holds their screens against those that were looked at."""

    def __init__(self, user: User, evenkeel: Run) -> None:
        self.user, self._evenkeel = user, evenkeel
        self.devnet = json.loads((user.folder / ".evenkeel" / "devnet" / "devnet.json").read_text())
        self.world = msgspec.convert(self.devnet["world"], World)
        self.wrong: list[str] = []

    def screen(self, words: Sequence[str], *, width: int = 120) -> str:
        """Take a screen: what a command answers, then what it says beside."""
        done = self._evenkeel(*words, width=width)
        assert done.code == 0, f"{words}: {done.out}{done.err}"
        told = done.out + done.err
        assert "\x1b" not in told
        assert "…" not in re.sub(r"0x[0-9a-f]{4}…[0-9a-f]{4}", "", told), f"{words} is cut off"
        return told

    def objects(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.screen([*words, "--json"]).splitlines()]

    def keep(self, name: str, words: Sequence[str]) -> None:
        """Hold a screen against the kept ones, at both widths."""
        for width in WIDTHS:
            told = masked(self.screen(words, width=width), str(self.user.folder))
            self.wrong += differs(KEPT, f"{re.sub('[ /]', '-', name).lower()}-{width}", told)

    def keep_begun(self, name: str) -> None:
        """Hold what was begun with against what it said, but for the log of what goes on."""
        told = [line for line in self.user.read(f"{name}.log").splitlines() if not line.startswith("{")]
        self.wrong += differs(KEPT, f"begun-{name}", masked("\n".join(told), str(self.user.folder)))

    def keep_acts(self, name: str, acts: Sequence[str], width: int) -> None:
        """Hold what some commands say against what they said, one after the other."""
        told = "".join(f"$ evenkeel {act}\n{self.screen(shlex.split(act), width=width)}" for act in acts)
        self.wrong += differs(KEPT, f"{name}-{width}", masked(told, str(self.user.folder)))


UP = {"up", "watch", "work", "rehearse"}
"""What `up` keeps running."""


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[User]:
    """A devnet whose blocks are empty, the example portfolio in force, and everything up."""
    user = User(tmp_path_factory.mktemp("tour"), cache)
    user.env["EVENKEEL_INSTANCE"] = "tour"
    try:
        user.start("devnet", "up", "--no-flow", "--block-time", "0.5", log="devnet.log")
        user.until(lambda: "next, in another terminal" in user.read("devnet.log"), "devnet")
        (user.folder / "init.log").write_text(user.run("init").stderr)
        user.start("up", "portfolio.yaml", log="up.log")
        user.until(lambda: len(user.run("positions", "--json").stdout.splitlines()) == 2, "positions")
        user.until(lambda: _last_decisions(user).count("inside its band") == 2, "decisions")
        user.until(
            lambda: _with_heartbeat(user) >= UP,
            "heartbeat of each, for `doctor` is as wide as all of them need",
        )
        yield user
    finally:
        user.leave()


@pytest.fixture
def guide(tour: User, monkeypatch: pytest.MonkeyPatch, evenkeel: Run) -> Guide:
    monkeypatch.chdir(tour.folder)
    monkeypatch.setenv("EVENKEEL_CACHE", tour.env["EVENKEEL_CACHE"])
    # a busy node's latency has more digits, which would break doctor's lines elsewhere
    monkeypatch.setattr(node_row, "time", SimpleNamespace(monotonic=lambda: 0.0))
    return Guide(tour, evenkeel)


def _with_heartbeat(user: User) -> set[str]:
    shown = user.run("topics", "tail", "processes", "--no-follow", "--from-beginning", "--json").stdout
    values = [json.loads(line)["value"] for line in shown.splitlines()]
    return {value["role"] for value in values if value}


def _last_decisions(user: User) -> str:
    return user.run("topics", "tail", "decisions", "--no-follow", "-n", "1").stdout


# ------------------------------------------------------------------ a stranger, and a book that acts
def sent_nft(guide: Guide) -> str:
    """Let a stranger mint a small NFT to the owner of a book that goes on proposing only; return its number."""
    world, (_, owner, *_) = guide.world, guide.world.accounts.owners
    pool, stranger = world.pool("weth_usdc_high_500"), world.accounts.providers[0]
    ticks, amounts = (-887_270, 887_270), (10**6, 10**6)
    terms = (pool.token0, pool.token1, pool.fee_pips, *ticks, *amounts, 0, 0, owner, 2**40)
    data = function("uniswap-v3/NonfungiblePositionManager", "mint").calldata(terms)
    url = urlsplit(guide.devnet["rpc_url"])
    rpc = BlockingRpc(url.hostname or "", url.port or 0)
    rpc("eth_sendTransaction", Tx(sender=stranger, to=world.position_manager, data=data).request())
    rpc.close()

    def set_apart() -> list[str]:
        return [item for book in guide.objects("inventory") for item in book["set_apart"]]

    guide.user.until(lambda: set_apart() != [], "a stranger's NFT")
    return set_apart()[0].rpartition("/")[2]


def make_live(guide: Guide) -> None:
    """Let the first book act, as README says, and want less base than it has."""
    world, file = guide.world, guide.user.folder / "portfolio.yaml"
    text = file.read_text().replace("  # live_on: 31337  ", "  live_on: 31337  ", 1)
    text = text.replace("mode: dry-run", "mode: live", 1).replace("target_share: 50%", "target_share: 44%", 1)
    file.write_text(text)
    (example,) = re.findall(r"```yaml\n(chain: 31337\n.*?)```", README, re.DOTALL)
    for field, address in {
        "devnet_account: ": world.accounts.owners[0],
        "pools: [": world.pool("weth_usdc_low_500").address,
        "budget_token: ": world.usdc_low,
    }.items():
        assert f'{field}"0x..."' in example
        example = example.replace(f'{field}"0x..."', f'{field}"{address}"')
    # a status would go on to `final` while it is looked at, and nobody else trades here
    (guide.user.folder / "signer.yaml").write_text(
        f"{example}final_depth_blocks: 2000\nmax_observation_age: 1d\n"
    )


def ended_plan(guide: Guide) -> str:
    """Wait until a plan of the book has ended, and name it."""

    def ended() -> list[dict[str, Any]]:
        words = ("--no-follow", "--from-beginning", "--type", "PlanClosed")
        return guide.objects("topics", "tail", "decisions", *words)

    guide.user.until(lambda: ended() != [], "a plan that has ended")
    (closed,) = ended()
    assert closed["value"]["outcome"] == {"kind": "done"}, closed
    return closed["value"]["plan"]


# ------------------------------------------------------------------ the tour
def test_each_screen_is_as_it_was_looked_at(guide, evenkeel):
    """Compare every screen: commands that only read, commands that stop and resume, a book that acts; the last command ends the devnet."""
    for begun in ("devnet", "init", "up"):
        guide.keep_begun(begun)
    for screen, more in SCREENS.items():
        guide.keep(screen, _words(guide, screen, more))
    acts = [act.replace("17", sent_nft(guide)) if act.startswith("adopt") else act for act in ACTS]
    for width in WIDTHS:
        guide.keep_acts("acts", acts, width)

    make_live(guide)
    guide.keep_acts("live-new-signer", ["submit signer.yaml --new-signer"], 80)
    guide.user.start("submit", "signer.yaml", "--live", log="submit.log")
    guide.user.until(lambda: "serving" in guide.user.read("submit.log"), "the signer")
    guide.keep("live apply --dry-run", ["apply", "--live", "--dry-run"])
    for width in WIDTHS:
        guide.keep_acts("live-apply", ["apply --live"], width)
    plan = ended_plan(guide)
    for screen, more in LIVE_SCREENS.items():
        if screen.startswith("topics"):
            for kind in ("PlanOpened", "PlanClosed"):
                guide.keep(f"live {screen} {kind}", [*screen.split(), *more, kind])
        elif screen == "why ID":
            sent = next(each for each in guide.objects("intents", "list") if each["hashes"])
            for name, known_by in (
                ("plan", plan),
                ("intent", sent["id"]),
                ("transaction", sent["hashes"][0]),
            ):
                guide.keep(f"live why {name}", ["why", known_by])
        else:
            guide.keep(f"live {screen}", [*screen.split(), *more])
    for width in WIDTHS:
        guide.keep_acts("live-acts", LIVE_ACTS, width)
    assert not guide.wrong, "\n\n".join([*guide.wrong, "if it is right, remove the file and run this again"])
    down = evenkeel("devnet", "down")  # its keeper has seconds to notice, and a busy machine may take longer
    assert "ended: chain, broker" in down.out + down.err


def _words(guide: Guide, screen: str, more: Sequence[str]) -> list[str]:
    if screen != "why ID":
        return [*screen.split(), *more]
    last = guide.objects("topics", "tail", "decisions", "--no-follow", "-n", "1", "--book", "usdc-low")
    return ["why", last[0]["value"]["id"]]


def test_the_tour_is_all_here():
    tour = README.partition("## A tour by commands")[2].partition("\n## ")[0]
    named = {line.split("#")[0].strip() for line in re.findall(r"^evenkeel (.*)$", tour, re.MULTILINE)}
    begun = {"apply --live", "submit signer.yaml --new-signer", "devnet down"}
    here = {*SCREENS, *ACTS, *LIVE_SCREENS, *LIVE_ACTS, *begun, *STARTED, *ELSEWHERE}
    assert {line.replace('"', "'") for line in named} <= here
    assert here - {"watch", "work", "rehearse"} <= {
        *(line.replace('"', "'") for line in named), "apply --live", "resume --local signer.yaml",
        "help settings", "help live", "help stopping",
    }  # fmt: skip
