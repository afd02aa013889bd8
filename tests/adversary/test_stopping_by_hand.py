"""`evenkeel submit --cancel-all` as an operator uses it without a broker: with the key's file and a node."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streams.devnet.actions import wrap
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.world import World
from streams.node.blocking_rpc import BlockingRpc

pytestmark = pytest.mark.anvil

EVENKEEL = [sys.executable, "-P", "-m", "streams.cli"]


def test_what_waits_is_cancelled_with_a_file_and_a_node_alone(
    chain: Chain, world: World, tmp_path: Path
) -> None:
    owner, pool = world.accounts.owners[0], world.pool("weth_usdc_low_500").address
    had = balance(chain, world.weth, owner)
    chain.send(wrap(world, owner, 5))
    chain.send(wrap(world, owner, 7))
    places = "\n".join(
        f'{name}: "{address}"'
        for name, address in {
            "factory": world.factory,
            "router": world.router,
            "position_manager": world.position_manager,
            "wrapped_native": world.weth,
        }.items()
    )
    file = tmp_path / "signer.yaml"
    file.write_text(
        f'chain: 31337\ndevnet_account: "{owner}"\npools: ["{pool}"]\n{places}\nbudget_token: "{world.weth}"\nmax_loss_per_day: 1\nmax_notional: 10\nmax_notional_per_day: 20\nmax_tip_gwei: 200\nmax_fee_gwei: 400\ncancel_max_fee_gwei: 600\nsend_url: http://127.0.0.1:1\n'
    )
    bare = {name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")}
    env = {
        **bare,
        "PYTHONPATH": str(Path.cwd()),
        "EVENKEEL_CHAIN_ID": "31337",
        "EVENKEEL_RPC_URL": chain.url,
    }
    told = (tmp_path / "told").open("w+")
    with told:
        running = subprocess.Popen(
            [*EVENKEEL, "submit", "--cancel-all", str(file)], env=env, cwd=tmp_path, stderr=told, stdout=told
        )
        ended = threading.Event()

        def mine() -> None:
            rpc = BlockingRpc("127.0.0.1", urlsplit(chain.url).port)
            while not ended.wait(0.5):
                if (tmp_path / "told").read_text().count("cancels it") >= 2:
                    rpc("evm_mine")
            rpc.close()

        thread = threading.Thread(target=mine)
        thread.start()
        try:
            code = running.wait(90)
        finally:
            ended.set()
            thread.join()
            running.kill()
            running.wait()
    said = (tmp_path / "told").read_text()
    assert code == 0, said
    assert "2 nonces were cancelled" in said
    assert "no node shows what went to send_url: --up-to-nonce N" in said, (
        "a relay that is away hinders nothing"
    )
    assert balance(chain, world.weth, owner) == had
    assert (tmp_path / "signer.yaml.stop").read_text().startswith("cancel")
