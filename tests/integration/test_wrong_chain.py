"""EVENKEEL_CHAIN_ID differs from the node's chain: each program checks first, writes nothing, and is not restarted."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import forked
import pytest
from aiokafka import AIOKafkaConsumer
from sender_house import CHAIN_IDS

from streams.devnet.broker import Broker
from streams.devnet.chain import Chain
from streams.process import CONFIGURATION

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

EVENKEEL = [sys.executable, "-P", "-m", "streams.cli"]


def topics(broker: Broker) -> set[str]:
    async def read() -> set[str]:
        consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
        await consumer.start()
        try:
            return await consumer.topics()
        finally:
            await consumer.stop()

    return asyncio.run(read())


@pytest.mark.parametrize("command", [["watch"], ["rehearse"], ["up"]])
def test_nothing_is_written_for_another_chain(broker: Broker, chain: Chain, tmp_path: Path, command) -> None:
    wrong = next(CHAIN_IDS)
    env = {
        **os.environ,
        "PYTHONPATH": str(Path.cwd()),
        "EVENKEEL_BROKER": broker.bootstrap_servers,
        "EVENKEEL_CHAIN_ID": str(wrong),
        "EVENKEEL_RPC_URL": chain.url,
        "EVENKEEL_FOLDER": str(tmp_path / "run"),
    }
    done = forked.run([*EVENKEEL, *command], cwd=tmp_path, env=env)
    assert done.returncode == CONFIGURATION, done.stderr
    said = f"error: the node follows chain {chain.chain_id}, this deployment is of chain {wrong}"
    assert done.stderr.strip().splitlines()[-1] == said
    assert "Traceback" not in done.stderr
    assert not [name for name in topics(broker) if str(wrong) in name]


def test_a_folder_that_cannot_be_made_is_one_line(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = {
        **os.environ,
        "PYTHONPATH": str(Path.cwd()),
        "EVENKEEL_BROKER": broker.bootstrap_servers,
        "EVENKEEL_CHAIN_ID": "1",
        "EVENKEEL_RPC_URL": "http://127.0.0.1:9",
        "EVENKEEL_FOLDER": str(tmp_path / "file" / "run"),
    }
    for command in ("work", "up"):
        done = subprocess.run(
            [*EVENKEEL, command],
            check=False,
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == CONFIGURATION, done.stderr
        assert done.stderr.startswith(f"error: cannot make {tmp_path / 'file' / 'run'}"), done.stderr
