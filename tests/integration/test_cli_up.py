"""The first steps of a new user on real parts: devnet up, init, apply, up, look, Ctrl-C."""

import json
import os
import signal
import socket
from collections.abc import Iterator

import pytest
from users import User, are_gone, children_of, command_of

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.timeout(720)]


@pytest.fixture
def user(tmp_path, cache) -> Iterator[User]:
    made = User(tmp_path, cache)
    yield made
    made.leave()


def positions(user: User) -> list[dict]:
    return [json.loads(line) for line in user.run("positions", "--json").stdout.splitlines()]


def test_from_nothing_to_a_proposal_and_its_reason(user):
    devnet = user.start("devnet", "up", "--block-time", "0.5", log="devnet.log")
    user.until(lambda: "next, in another terminal" in user.read("devnet.log"), "devnet")
    assert user.run("devnet", "status").returncode == 0
    assert user.run("init").returncode == 0
    up = user.start("up", "portfolio.yaml", log="up.log")
    user.until(lambda: len(positions(user)) == 2, "positions")

    user.until(lambda: "rehearse" in {each["role"] for each in processes(user)}, "heartbeat of each")
    doctor = user.run("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "in force: usdc-high (dry-run), usdc-low (dry-run)" in doctor.stdout
    for role in ("up", "watch", "work", "rehearse"):
        assert f"{role} {socket.gethostname()}" in doctor.stdout, doctor.stdout
    assert "as it is" in user.run("apply").stdout

    user.until(lambda: decisions(user) != [], "decision")
    walked = [
        json.loads(line) for line in user.run("why", decisions(user)[0]["id"], "--json").stdout.splitlines()
    ]
    stations = [station["station"] for station in walked]
    assert stations[:3] == ["output", "cause", "policy"]
    assert set(stations[3:]) <= {"dry-run"}, "if it is a proposal, it may have been tried by now"
    assert walked[0]["value"]["policy_version"] == walked[2]["value"]["policy"]["policy_version"]
    assert walked[0]["value"]["because_of"]["offset"] == walked[1]["offset"]

    opened = user.read("up.log").count("opened at")
    user.until(lambda: workers_of(up.pid) != [], "a worker: a busy machine may have ended one")
    os.kill(workers_of(up.pid)[0], signal.SIGKILL)
    user.until(lambda: "killed by SIGKILL" in user.read("up.log"), "word of the death")
    user.until(lambda: user.read("up.log").count("opened at") >= opened + 2, "shards opened again")
    user.until(lambda: "killed by SIGKILL" in str(errors_of(user)), "word of the death in the heartbeat")

    for process in (up, devnet):
        if process is devnet:
            assert processes(user) == [], "each has said that it ends"
            missing = user.run("doctor")
            assert missing.returncode == 1
            assert "no `evenkeel work` shows a heartbeat" in " ".join(missing.stdout.split())
        kept = children_of(process.pid)
        assert kept
        process.terminate()
        assert process.wait(timeout=90) == 0, user.read("up.log")[-2_000:]
        assert are_gone(kept)
    assert user.run("devnet", "status").returncode == 1


def workers_of(pid: int) -> list[int]:
    return [child for child in children_of(pid) if command_of(child)[-1:] == ["work"]]


def processes(user: User) -> list[dict]:
    """List the newest heartbeat of each process."""
    shown = user.run("topics", "tail", "processes", "--no-follow", "--from-beginning", "--json").stdout
    newest = {(line := json.loads(each))["key"]: line["value"] for each in shown.splitlines()}
    return [value for value in newest.values() if value is not None]


def errors_of(user: User) -> list[str | None]:
    return [each["last_error"] for each in processes(user)]


def decisions(user: User) -> list[dict]:
    """List what was decided, the oldest first."""
    shown = user.run("topics", "tail", "decisions", "--no-follow", "--from-beginning", "--json")
    values = [json.loads(line)["value"] for line in shown.stdout.splitlines()]
    return [value for value in values if value["type"].partition(".")[0] in {"RebalanceProposed", "Declined"}]
