"""docs/tutorial.md: each of its commands in order, on a chain of another deployer and a fork of it."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_run import Run
from users import User
from worlds import strangers_chain
from worlds.strangers_chain import StrangersChain, build_strangers_chain

from pipeline.errors import DevnetError
from streams.devnet import kept_broker
from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import start_chain
from streams.devnet.ports import free_port
from streams.node.blocking_rpc import BlockingRpc

pytestmark = [pytest.mark.anvil, pytest.mark.kafka]

TEXT = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
INSTALLS = ("make ", "ln ", "mkdir ", "export PATH")
"""What a test's machine has already, or must not do."""
ROLES = {
    "wrapped_native": "weth",
    "factory": "factory",
    "position_manager": "position_manager",
    "router": "router",
    "DAI": "usdc_low",
}


def lines() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def user(tmp_path: Path, cache: Path) -> Iterator[User]:
    """Whoever reads the page, in a folder of their own."""
    folder = tmp_path / "keel"
    folder.mkdir()
    reader = User(folder, cache)
    yield reader
    reader.leave()
    kept_broker.down(folder / ".evenkeel" / "broker")


@pytest.fixture
def strangers(tmp_path: Path, cache: Path) -> Iterator[tuple[StrangersChain, str]]:
    """A chain that others have set up, and where its node is."""
    with start_chain(tmp_path / "theirs", cache=cache, chain_id=strangers_chain.CHAIN_ID) as chain:
        yield build_strangers_chain(chain, cache), chain.url


class Reader:
    """Types each line of the page, with the addresses of the chain at hand in place of the page's."""

    def __init__(
        self, user: User, evenkeel: Run, monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
    ) -> None:
        self.user, self._evenkeel, self._patch, self._told = user, evenkeel, monkeypatch, told
        self.typed: list[str] = []
        self.shown: dict[str, str] = {}

    def type(self, line: str) -> None:
        self.typed.append(line)
        for written, instead in self._told.items():
            line = line.replace(written, instead)
        line = os.path.expandvars(line)
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self._patch.setenv(name, value)
            self.user.env[name] = value
        elif line.startswith("anvil "):
            with (self.user.folder / "anvil.log").open("wb") as log:
                words = [
                    str(anvil_program(cache=Path(self.user.env["EVENKEEL_CACHE"]))),
                    *shlex.split(line)[1:],
                ]
                home = {**self.user.env, "HOME": str(self.user.folder)}
                self.user.started.append(
                    subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=home)
                )
        elif line == "evenkeel up":
            self.user.start("up", log="up.log")
        elif line == "evenkeel broker down":
            self.press_ctrl_c()
            self.answer(line)
        else:
            self.answer(line)

    def press_ctrl_c(self) -> None:
        """End what `evenkeel up` runs, in the other terminal."""
        (running,) = (each for each in self.user.started if "up" in each.args)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0, self.user.read("up.log")

    def answer(self, line: str) -> str:
        """Type a command of ours that ends, and keep what it shows."""
        program, *words = shlex.split(line)
        assert program == "evenkeel", line
        done = self._evenkeel(*words, width=200)
        assert done.code == 0, f"{line}\n{done.out}{done.err}"
        self.shown[line] = done.out + done.err
        return self.shown[line]


def test_each_step_leads_to_the_next(
    user: User, evenkeel: Run, monkeypatch, strangers: tuple[StrangersChain, str]
):
    theirs, node = strangers
    port = free_port()
    here = f"127.0.0.1:{port}"
    told = {
        "https://your.node/key": node,
        "127.0.0.1:8545": here,
        "--port 8545": f"--port {port}",
        "0xYOURS": theirs.owner,
        "evenkeel broker up": f"evenkeel broker up --port {free_port()}",
    }
    assert all(written in TEXT for written in told)
    monkeypatch.chdir(user.folder)
    monkeypatch.setenv("EVENKEEL_CACHE", user.env["EVENKEEL_CACHE"])
    write_chain_file(theirs)
    reader = Reader(user, evenkeel, monkeypatch, told)
    for line in lines():
        if line.startswith(INSTALLS):
            continue
        if line.startswith("evenkeel look"):
            until(lambda: is_up(port), "a fork")
        if line == "evenkeel doctor":
            until(lambda: tried(reader), "a dry-run")
            assert tried(reader)[0] == "done", decisions(reader)
        reader.type(
            line.replace("why ID", f"why {decisions(reader)[0]['id']}") if line.endswith("why ID") else line
        )
    assert len(reader.typed) == len(lines()) - sum(line.startswith(INSTALLS) for line in lines())
    assert "runs" in reader.shown["evenkeel broker status"]
    assert "its data stay" in reader.shown["evenkeel broker down"]
    looked = reader.shown[f"evenkeel look {theirs.owner} --rpc http://{here} --chain mychain.toml"]
    assert "DAI" in looked
    assert "my chain: a block every 2000 ms" in reader.shown["evenkeel doctor"]


def write_chain_file(theirs: StrangersChain) -> None:
    """Take the page's file, and fill in where things stand."""
    (text,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for field, role in ROLES.items():
        text, count = re.subn(
            rf'^{field} = "0x\.\.\."', f'{field} = "{getattr(theirs.world, role)}"', text, flags=re.MULTILINE
        )
        assert count == 1, field
    assert "0x..." not in text
    assert f"chain_id = {strangers_chain.CHAIN_ID}" in text
    Path("mychain.toml").write_text(text)


def is_up(port: int) -> bool:
    node = BlockingRpc("127.0.0.1", port, timeout_s=5)
    try:
        return int(node("eth_blockNumber"), 16) > 0
    except DevnetError:
        return False
    finally:
        node.close()


def decisions(reader: Reader) -> list[dict[str, Any]]:
    told = reader.answer("evenkeel topics tail decisions --from-beginning --no-follow --json")
    return [json.loads(line)["value"] for line in told.splitlines() if line.startswith("{")]


def tried(reader: Reader) -> list[str]:
    """What came of the proposals that were tried so far."""
    return [each["run"]["outcome"] for each in decisions(reader) if each["type"].startswith("ProposalTried")]


def until(holds, what: str, within_s: float = 240.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, f"no {what} in {within_s} s"
        time.sleep(0.5)
