"""`submit` and `intents` as a user runs them: with a file, a keystore, a broker and a chain."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked import Forked
from sender_house import SenderHouse
from signer_operator import EVENKEEL, environment, operate, operated_house, write_signer_file

from pipeline.messages.journal import IntentKnown, NonceBound
from pipeline.messages.transactions import SubmitTransaction
from streams.devnet.broker import Broker
from streams.devnet.world import World

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

FINAL_DEPTH_BLOCKS = 65
"""Of a chain about which nothing is known."""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    with operated_house(broker, built, tmp_path, cache) as opened:
        write_signer_file(opened, "max_loss: 1%", "twap_window: 3m")
        yield opened


def told_of(house: SenderHouse, digest: str, status: str) -> tuple[str, list[str]]:
    """Take an intent's nonce and hashes from `intents list --json`, which must give its status."""
    lines = operate(house, "intents", "list", "--json").stdout.splitlines()
    (told,) = (told for told in map(json.loads, lines) if told["id"].endswith(digest))
    assert told["status"] == status
    return told["nonce"], told["hashes"]


def is_forgotten(house: SenderHouse, wanted: SubmitTransaction) -> bool:
    """Ask whether the journal has let go of an intent and of its nonce."""
    return not any(
        (isinstance(entry, IntentKnown) and entry.intent == wanted.digest) or isinstance(entry, NonceBound)
        for entry in house.journal().values()
    )


def test_submit_sends_and_intents_shows_and_closes(house):
    file = str(house.folder / "signer.yaml")
    assert "nothing is sent without --live" in operate(house, "submit", file).stderr
    wanted, unheard = house.deposit(), house.deposit(signer="0x" + "cd" * 20, owner="0x" + "cd" * 20)
    with (house.folder / "submit.log").open("w") as log:
        process = Forked(
            [*EVENKEEL, "submit", file, "--live"], env=environment(house), cwd=house.folder, stderr=log
        )
        try:
            house.put(wanted, unheard)
            house.until_said(wanted.digest, "Sent")
            shown = operate(house, "intents", "list").stdout
            assert [line.split()[4] for line in shown.splitlines() if wanted.digest in line] == ["sent"]
            assert [line.split()[4] for line in shown.splitlines() if unheard.digest in line] == ["waiting"]
            nonce, hashes = told_of(house, wanted.digest, "sent")
            assert len(hashes) == 1
            refused = operate(house, "intents", "close", wanted.id)
            assert "it may still be mined" in refused.stderr
            refused = operate(house, "intents", "close", unheard.digest)
            assert "its signer has not seen it yet" in refused.stderr
            for _ in range(wanted.max_age_blocks + 13):
                house.chain.mine()
            closed = operate(house, "intents", "close", unheard.digest)
            assert f"Dropped {unheard.digest}" in closed.stderr
            assert house.said(unheard.digest) == ["Dropped"]
            for _ in range(FINAL_DEPTH_BLOCKS + wanted.max_age_blocks):
                house.chain.mine()
            house.until(lambda: house.chain.mine() and is_forgotten(house, wanted))
            assert told_of(house, wanted.digest, "final") == (nonce, hashes), (
                "kept when the journal has let go"
            )
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
    assert code == 0, house.log()
    assert house.signer._account.key.hex() not in house.log()
    assert "a password" not in house.log()
    assert len(house.said(wanted.digest)) == 3


def test_a_wrong_file_is_told_by_line_and_field(house):
    file = house.folder / "signer.yaml"
    text = file.read_text()
    for old, new, says in (
        ("max_loss: 1%", "max_loss: 50%", "signer.yaml:10:11: max_loss: must be above 0 and at most 10%"),
        ("twap_window: 3m", "twap_window: 2m", "signer.yaml:11:14: twap_window: must be 3m to 1d"),
        (
            "twap_window: 3m",
            "twap_window: 3m\nblock_time: 13s",
            "signer.yaml:11:14: twap_window: must be at least 3m15s, 15",
        ),
        (
            "max_loss: 1%",
            "swap_tolerance: 2%",
            "signer.yaml:10:17: swap_tolerance: must be above 0 and at most 1%",
        ),
        ("max_loss: 1%", "max_share_of_depth: 0%", "signer.yaml:10:21: max_share_of_depth: must be above 0"),
        ("max_loss: 1%", "max_spot_from_twap: 0%", "signer.yaml:10:21: max_spot_from_twap"),
        (
            "max_loss: 1%",
            "references: {pools: [7]}",
            "signer.yaml:10:22: references.pools[0]: is not an address",
        ),
        ("max_loss", "max_lost", "unknown field; did you mean max_loss?"),
        ("password_file", "devnet_account", "devnet_account"),
    ):
        file.write_text(text.replace(old, new))
        assert says in operate(house, "submit", str(file), "--live").stderr
    file.write_text(text.replace(house.world.usdc_low, house.world.usdc_high))
    told = operate(house, "submit", str(file), "--live").stderr
    assert f"budget_token: {house.world.usdc_high} is a token of none of the listed pools" in told
    file.write_text(text.replace(house.world.pool("weth_usdc_low_500").address, house.world.router))
    assert "is no Uniswap V3 pool" in operate(house, "submit", str(file), "--live").stderr
    (house.folder / "key.json").chmod(0o644)
    file.write_text(text)
    assert "may be read by others (mode 0644)" in operate(house, "submit", str(file), "--live").stderr
