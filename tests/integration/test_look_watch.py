"""`evenkeel look --watch` shows each new block, also after errors of the node, until Ctrl-C."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import topic
from cli_run import Run

from pipeline.errors import NodeBusyError
from pipeline.messages.base import BlockRef
from pipeline.units import BlockNumber, Hash, Seconds, Wei
from streams.cli import looking
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.node.port import Header


@pytest.fixture
def words(tmp_path: Path, monkeypatch, world: World, chain: Chain) -> list[str]:
    """The command line, in an empty folder with a file of Uniswap V3's addresses."""
    monkeypatch.chdir(tmp_path)
    Path("chain.yaml").write_text(
        f"chain:\n  id: {world.chain_id}\n  factory: '{world.factory}'\n  position_manager: '{world.position_manager}'\n"
        f"  wrapped_native: '{world.weth}'\n  router: '{world.router}'\n"
    )
    return ["look", str(world.accounts.owners[0]), "--rpc", chain.url, "--chain", "chain.yaml", "--watch"]


@pytest.mark.anvil
def test_each_new_block_is_looked_at_until_it_is_ended(words, chain: Chain):
    command = [sys.executable, "-m", "streams.cli", *words, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(looking.__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout is not None
        seen = [json.loads(running.stdout.readline())["block"]]
        for _ in range(2):
            chain.mine()
            seen.append(json.loads(running.stdout.readline())["block"])
        running.terminate()  # not by SIGINT, which is ignored below a shell's background job
        assert running.wait(timeout=60) == 143
    assert seen == [str(chain.header().number - back) for back in (2, 1, 0)]


@pytest.mark.anvil
@pytest.mark.parametrize("beside", [("--block", "1"), ("--write", "p.yaml")])
def test_what_means_one_look_is_refused_beside_it(evenkeel: Run, words, beside):
    done = evenkeel(*words, *beside)
    assert done.code == 1
    assert "--watch: shows each new block, so it takes neither --block nor --write" in done.err


class Node:
    """A node that answers or fails as the test sets it."""

    def __init__(self, answers: list[Header | Exception]) -> None:
        self._answers: Iterator[Header | Exception] = iter(answers)

    async def newest(self) -> Header:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def header(number: int) -> Header:
    block = BlockRef(
        number=BlockNumber(number),
        hash=Hash(topic(number)),
        parent_hash=Hash(topic(number - 1)),
        timestamp_s=Seconds(12 * number),
    )
    return Header(block=block, base_fee_wei=Wei(0), transactions=(), logs_bloom=0)


async def test_a_node_in_trouble_is_asked_again_and_that_is_said_once(monkeypatch, capsys):
    for name in ("_POLL_S", "_FIRST_WAIT_S", "_LONGEST_WAIT_S"):
        monkeypatch.setattr(looking, name, 0.0)
    busy = NodeBusyError("asked too often")
    node = Node([header(5), busy, busy, header(5), header(6), busy, header(7)])
    heads = looking._new_heads(node, Hash(topic(5)))
    assert [(await anext(heads)).number for _ in range(2)] == [6, 7]
    assert capsys.readouterr().err.count("the node does not answer, it is asked again: asked too often") == 2
