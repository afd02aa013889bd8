"""`evenkeel up --live` with a signer's file: the signer runs beside the others if a book is live."""

import json
from collections.abc import Iterator

import pytest
from signer_files import DEVNET
from users import User, are_gone, children_of, command_of

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.timeout(720)]

SIGNER = DEVNET + "twap_window: 3m\n"


@pytest.fixture
def user(tmp_path, cache) -> Iterator[User]:
    made = User(tmp_path, cache)
    yield made
    made.leave()


def write_files(user: User) -> None:
    """Write the example portfolio, its first book live, and that book's signer."""
    assert user.run("init").returncode == 0
    world = json.loads((user.folder / ".evenkeel" / "devnet" / "devnet.json").read_text())["world"]
    portfolio = user.folder / "portfolio.yaml"
    text = portfolio.read_text()
    chain = f"id: {world['chain_id']}\n"
    text = text.replace(chain, f"{chain}  live_on: {world['chain_id']}\n", 1)
    portfolio.write_text(text.replace("mode: dry-run", "mode: live", 1))
    signer = SIGNER.format(
        chain=world["chain_id"],
        owner=world["accounts"]["owners"][0],
        pool=world["pools"]["weth_usdc_low_500"]["address"],
        usdc=world["usdc_low"],
    )
    (user.folder / "signer.yaml").write_text(signer)
    pinned = f"policies: {{usdc-low: {'1' * 64}}}\n"
    (user.folder / "other.yaml").write_text(signer.replace(str(world["chain_id"]), "1") + pinned)


def commands(pid: int) -> set[str]:
    """Name what runs below a process."""
    words = [command_of(child) for child in children_of(pid)]
    return {each[each.index("streams.cli") + 1] for each in words if "streams.cli" in each}


def ends_in_order(user: User, log: str) -> None:
    up = user.started.pop()
    kept = children_of(up.pid)
    up.terminate()
    assert up.wait(timeout=90) == 0, user.read(log)[-2_000:]
    assert are_gone(kept)


def test_up_runs_a_signer_only_where_it_is_told_to_and_a_book_is_live(user):
    user.start("devnet", "up", "--block-time", "0.5", log="devnet.log")
    user.until(lambda: "next, in another terminal" in user.read("devnet.log"), "devnet")
    write_files(user)
    assert "nothing is sent without --live" in user.run("up", "--signer", "signer.yaml").stderr
    assert "would act: say --live as well" in user.run("up", "portfolio.yaml").stderr
    assert "other.yaml: chain: 1, but" in user.run("up", "--live", "--signer", "other.yaml").stderr

    up = user.start("up", "--live", "--signer", "signer.yaml", log="nothing.log")
    user.until(lambda: {"watch", "work"} <= commands(up.pid), "watcher and worker")
    assert "no book in force is live: no signer is started" in user.read("nothing.log")
    assert "submit" not in commands(up.pid)
    ends_in_order(user, "nothing.log")

    up = user.start("up", "portfolio.yaml", "--live", log="alone.log")
    user.until(lambda: {"watch", "work"} <= commands(up.pid), "watcher and worker")
    assert "live: usdc-low; no --signer is named" in user.read("alone.log")
    assert "submit" not in commands(up.pid)
    ends_in_order(user, "alone.log")

    begun = user.run("submit", "signer.yaml", "--new-signer")
    assert "the journal begins" in begun.stderr, begun.stderr
    up = user.start("up", "portfolio.yaml", "--live", "--signer", "signer.yaml", log="up.log")
    user.until(lambda: "next_nonce" in user.read("up.log"), "the signer at work")
    assert {"watch", "work", "submit"} <= commands(up.pid)
    ends_in_order(user, "up.log")
