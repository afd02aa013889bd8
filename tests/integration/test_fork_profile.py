"""The profile `anvil-fork` of docker-compose.yml: its command runs a fork that makes blocks of its own."""

import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from streams.devnet.artifacts import anvil_program
from streams.devnet.chain import Chain
from streams.devnet.ports import free_port
from streams.node.blocking_rpc import BlockingRpc

pytestmark = pytest.mark.anvil

ROOT = Path(__file__).parents[2]
WITHIN_S = 60


def test_its_command_forks_a_node_and_writes_to_no_home(tmp_path, chain: Chain, cache: Path):
    fork = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["anvil-fork"]
    port = free_port()
    told = {"${FORK_URL:-}": chain.url, "0.0.0.0": "127.0.0.1", "12": "1"}  # noqa: S104 - it is what is replaced
    words = [told.get(word, word) for word in fork["command"]]
    assert words != fork["command"]
    home = tmp_path / "home"
    home.mkdir()
    command = [anvil_program(cache=cache), *words, "--port", str(port), "--silent"]
    rpc = BlockingRpc("127.0.0.1", port)
    with subprocess.Popen(command, env={**os.environ, "HOME": str(home)}) as running:
        try:
            forked = Chain(folder=tmp_path, port=port, argv=[], rpc=rpc)
            until = time.monotonic() + WITHIN_S
            while not answers(forked):
                assert running.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
            head = chain.header()
            assert forked.header(head.number).hash == head.hash
            while forked.header().number <= head.number:
                assert time.monotonic() < until
                time.sleep(0.1)
            assert chain.header().number == head.number
        finally:
            running.kill()
            rpc.close()
    assert not list(home.iterdir())


def answers(chain: Chain) -> bool:
    try:
        return bool(chain.header())
    except Exception:  # noqa: BLE001 - it is not up yet, however that shows
        return False
