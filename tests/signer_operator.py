"""A signer as its operator has it: a file, a keystore, and commands run in a folder, on a chain with a public id."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import forked
from eth_account import Account
from sender_house import CHAIN_IDS, PARTITIONS, SenderHouse
from stepping import nameless

from streams.devnet.broker import Broker
from streams.devnet.chain import start_chain
from streams.devnet.world import World

EVENKEEL = [sys.executable, "-P", "-m", "streams.cli"]
_ROOT = Path(__file__).parents[1]


@contextmanager
def operated_house(
    broker: Broker, built: tuple[World, Path, str], folder: Path, cache: Path
) -> Iterator[SenderHouse]:
    """Start a deployment whose node does not call itself anvil, because a signer refuses anvil on a public chain."""
    with (
        start_chain(folder / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain,
        nameless(chain) as url,
    ):
        house = SenderHouse(broker.bootstrap_servers, chain, built[0], folder)
        house.node_url = url
        try:
            yield house
        finally:
            house.end()


def write_signer_file(house: SenderHouse, *more: str) -> Path:
    """Write a signer's file with keystore and password; `more` are further lines."""
    keystore, password, file = (house.folder / name for name in ("key.json", "password", "signer.yaml"))
    key = house.signer._account.key
    keystore.write_text(json.dumps(Account.encrypt(key, "a password", kdf="pbkdf2", iterations=2)))
    password.write_text("a password\n")
    world = house.world
    lines = [
        f"chain: {house.chain_id}",
        f"keystore: {keystore}",
        f"password_file: {password}",
        f"factory: {world.factory}",
        f"router: {world.router}",
        f"position_manager: {world.position_manager}",
        f"wrapped_native: {world.weth}",
        f"pools: [{world.pool('weth_usdc_low_500').address}]",
        *more,
        "single_reference: true",
        "single_node: true",
        f"policies: {{b1: {'1' * 64}}}",
        f"budget_token: {world.usdc_low}",
        "max_loss_per_day: 1000",
        "max_notional: 100000",
        "max_notional_per_day: 500000",
    ]
    file.write_text("\n".join(["", *lines, ""]))
    for each in (keystore, password, file):
        each.chmod(0o600)
    return file


def environment(house: SenderHouse) -> dict[str, str]:
    ours = {
        "BROKER": house.bootstrap,
        "RPC_URL": house.node_url,
        "CHAIN_ID": str(house.chain_id),
        "PARTITIONS": str(PARTITIONS),
        "FOLDER": str(house.folder / "run"),
    }
    rest = {name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")}
    return {**rest, "PYTHONPATH": str(_ROOT), **{f"EVENKEEL_{name}": value for name, value in ours.items()}}


def operate(house: SenderHouse, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a deployment."""
    return forked.run([*EVENKEEL, *arguments], env=environment(house), cwd=house.folder)
