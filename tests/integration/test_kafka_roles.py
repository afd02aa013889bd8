"""The real programs on a broker with authentication: each as the user of its role, with only that role's ACLs."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from intents import intent
from secured_broker import ADMIN, SecuredBroker, secured_broker
from signer_files import DEVNET
from users import User

from pipeline.messages.base import BlockRef
from pipeline.units import ChainId
from pipeline.venues.abi import function
from streams.devnet.chain import Chain, DevnetBlock, start_chain
from streams.devnet.flow import OrderFlow
from streams.devnet.world import World
from streams.kafka.codec import encode
from streams.kafka.readers import reading
from streams.kafka.roles import ROLES, Acl, acls
from streams.kafka.topics import INTENTS, NONCES
from streams.policy_rollout import appending
from streams.submit.journal import journal_shard

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.timeout(900)]

PARTITIONS = 2
HALTED = 65
ALL_OF_THEM = "everything"


class Premises:
    """A secured broker, a chain on which somebody trades, and a folder of its own for each role's user."""

    def __init__(self, broker: SecuredBroker, chain: Chain, world: World, folder: Path, cache: Path) -> None:
        self.broker, self.chain, self.world, self._cache = broker, chain, world, cache
        self.chain_id = ChainId(chain.chain_id)
        self.owner = world.accounts.owners[0]
        self.folder = folder
        self.devnet = {
            "bootstrap_servers": "127.0.0.1:1",
            "rpc_url": chain.url,
            "world": msgspec.to_builtins(world),
        }
        self.newest: DevnetBlock | None = None
        self._stop = threading.Event()
        self._trade = threading.Thread(target=self._trading)

    def user(self, role: str, name: str = "") -> User:
        folder = self.folder / (name or role)
        devnet = folder / ".evenkeel" / "devnet"
        shutil.rmtree(folder, ignore_errors=True)
        devnet.mkdir(parents=True)
        (devnet / "devnet.json").write_text(json.dumps(self.devnet))
        signer = DEVNET.format(
            chain=self.chain_id,
            owner=self.owner,
            pool=self.world.pool("weth_usdc_low_500").address,
            usdc=self.world.usdc_low,
        )
        (folder / "signer.yaml").write_text(signer)
        made = User(folder, self._cache)
        made.env |= self.broker.environment(role)
        made.env |= {"EVENKEEL_PARTITIONS": str(PARTITIONS), "EVENKEEL_INSTANCE": role}
        return made

    def start_trading(self) -> None:
        self._trade.start()

    def end(self) -> None:
        self._stop.set()
        if self._trade.is_alive():
            self._trade.join()

    def _trading(self) -> None:
        flow = OrderFlow(self.chain, self.world, seed=1)
        while not self._stop.wait(0.5):
            self.newest = flow.block()  # the chain's connection is this thread's alone


@pytest.fixture(scope="module")
def premises(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, built: tuple[World, Path, str]
) -> Iterator[Premises]:
    folder = tmp_path_factory.mktemp("premises")
    with (
        secured_broker(folder / "broker", cache, [*ROLES, ALL_OF_THEM]) as broker,
        start_chain(folder / "chain", cache=cache, state=built[1]) as chain,
    ):
        made = Premises(broker, chain, built[0], folder, cache)
        for role in ROLES:
            signer = made.owner if role == "submit" else None
            asyncio.run(broker.allow(role, acls(role, made.chain_id, signer=signer)))
        operator = made.user("operate")
        assert operator.run("init").returncode == 0
        applied = operator.run("apply")
        assert applied.returncode == 0, applied.stderr
        begun = made.user("submit").run("submit", "signer.yaml", "--new-signer")
        assert begun.returncode == 0, begun.stderr
        made.start_trading()
        yield made
        made.end()


def values(user: User, topic: str) -> list[dict]:
    shown = user.run("topics", "tail", topic, "--no-follow", "--from-beginning", "--json")
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line)["value"] for line in shown.stdout.splitlines()]


def events(user: User, kind: str) -> list[dict]:
    """Pick the events of a kind, whatever version their type ends with."""
    return [value for value in values(user, "events") if value and value["type"].partition(".")[0] == kind]


async def put_an_intent(premises: Premises, number: int, **call: Any) -> None:
    """Put an intent onto its topic as nobody but the broker's administrator and a worker can."""
    block = premises.newest
    assert block is not None
    made_at = BlockRef(
        number=block.number, hash=block.hash, parent_hash=block.parent_hash, timestamp_s=block.timestamp_s
    )
    wanted = intent(number, made_at=made_at, signer=premises.owner, max_age_blocks=50, **call)
    async with appending(premises.broker.access(ADMIN)) as producer:
        await producer.send_and_wait(
            INTENTS.on(premises.chain_id), value=encode(wanted), key=b"book/b1", partition=0
        )


async def _journal(premises: Premises) -> set[str]:
    async with reading(premises.broker.access("view")) as reader:
        shard = journal_shard(premises.owner, PARTITIONS)
        (place,) = await reader.shards(NONCES.on(premises.chain_id), [shard])
        return {(record.key or b"").decode() async for record in reader.read({place: 0})}


@pytest.fixture
def running(premises: Premises) -> Iterator[dict[str, User]]:
    """All programs at work, each as the user of its role."""
    users = {role: premises.user(role) for role in ("watch", "work", "rehearse", "submit")}
    for role, user in users.items():
        user.start(role, *(("signer.yaml", "--live") if role == "submit" else ()), log=f"{role}.log")
    yield users
    for user in users.values():
        user.leave()
    for password in premises.broker.passwords.values():
        assert password not in logs_of(users)


def logs_of(running: dict[str, User]) -> str:
    return "\n".join(f"== {role}: {user.read(f'{role}.log')}" for role, user in running.items())


def until(running: dict[str, User], holds: Callable[[], bool], what: str) -> None:
    """Wait for something that comes of everybody's work, while everybody is there."""
    deadline_s = time.monotonic() + 300
    while not holds():
        assert all(user.started[0].poll() is None for user in running.values()), logs_of(running)
        assert time.monotonic() < deadline_s, f"no {what}: {logs_of(running)}"
        time.sleep(0.5)


def test_each_role_does_its_work(premises, running):
    view = premises.user("view")
    until(running, lambda: events(view, "DryRunEnded") != [], "dry-run")
    until(running, lambda: "next_nonce" in running["submit"].read("submit.log"), "signer at work")
    asyncio.run(put_an_intent(premises, 1))
    until(running, lambda: events(view, "IntentRefused") != [], "word of the signer")
    deposit = function("tokens/WETH9", "deposit").calldata()
    asyncio.run(
        put_an_intent(premises, 2, to=premises.world.weth, data=deposit, value_wei=10**16, gas_limit=60_000)
    )
    until(running, lambda: events(view, "Sent") != [], "a transaction that the signer has signed")
    assert f"signer/{premises.owner}" in asyncio.run(_journal(premises))

    # one who looks sees everything, and one who operates is heard
    for command in (
        ["positions"],
        ["inventory"],
        ["topics", "list"],
        ["intents", "list"],
        ["state", "show"],
        ["doctor"],
    ):
        shown = view.run(*command)
        assert shown.returncode == 0, (command, shown.stdout, shown.stderr)
    assert "SASL_SSL, SCRAM-SHA-512, user view" in view.run("doctor").stdout
    assert len(view.run("inventory", "--json").stdout.splitlines()) == 2
    decided = [
        value["id"] for value in values(view, "decisions") if value["type"].startswith("RebalanceProposed")
    ]
    assert view.run("why", decided[0]).returncode == 0
    operator = premises.user("operate")
    for command in (["pause", "all"], ["resume", "all"]):
        assert operator.run(*command).returncode == 0
    assert len(events(view, "Paused")) >= PARTITIONS


def test_up_runs_everything_as_one_user_who_has_the_acls_of_each(premises):
    for role in ("watch", "work", "rehearse", "operate"):
        asyncio.run(premises.broker.allow(ALL_OF_THEM, acls(role, premises.chain_id)))
    user = premises.user(ALL_OF_THEM)
    try:
        up = user.start("up", log="up.log")
        for words in ("watches", "opened at", "tries proposals of dry-run books"):
            user.until(lambda words=words: words in user.read("up.log"), words)
        up.terminate()
        assert up.wait(90) == 0
    finally:
        user.leave()
    assert "not started again" not in user.read("up.log")


TAKEN_AWAY = {
    "watch": Acl("topic", "literal", "evenkeel-{}.events.v1", "Write"),
    "work": Acl("group", "literal", "evenkeel-{}.work", "Read"),
    "rehearse": Acl("topic", "literal", "evenkeel-{}.state.v1", "Read"),
    "submit": Acl("topic", "literal", "evenkeel-{}.intents.v1", "Read"),
}


def test_an_acl_that_is_taken_away_ends_a_program_with_one_line(premises, running):
    view = premises.user("view")
    until(running, lambda: "next_nonce" in running["submit"].read("submit.log"), "signer at work")
    until(running, lambda: running["work"].read("work.log").count("opened at") >= PARTITIONS, "shards open")
    until(running, lambda: events(view, "BlockSeen") != [], "watcher at work")
    follows = "tries proposals of dry-run books"
    until(running, lambda: follows in running["rehearse"].read("rehearse.log"), "rehearse at work")
    for role in ("rehearse", "submit", "work", "watch"):  # the watcher's blocks keep the others at work
        acl = TAKEN_AWAY[role]._replace(name=TAKEN_AWAY[role].name.format(premises.chain_id))
        asyncio.run(premises.broker.forbid(role, acl))
        try:
            code = running[role].started[0].wait(90)
        finally:
            asyncio.run(premises.broker.allow(role, [acl]))
        said = running[role].read(f"{role}.log")
        assert code == HALTED, said[-5_000:]
        assert f"user {role} may not use {acl.resource} {acl.name}" in said.splitlines()[-1]
        assert role == "work" or "Traceback" not in said, said[-5_000:]  # Faust tells its own


# ------------------------------------------------------------------ what each command says
AS_ROLE = {
    "watch": ("watch", ["watch"]),
    "work": ("work", ["work"]),
    "rehearse": ("rehearse", ["rehearse"]),
    "submit": ("submit", ["submit", "signer.yaml", "--live"]),
    "up": ("operate", ["up"]),
    "apply": ("operate", ["apply"]),
    "pause": ("operate", ["pause"]),
    "kill": ("operate", ["kill"]),
    "positions": ("view", ["positions"]),
    "why": ("view", ["why", "prop.0.1.0123456789abcdef"]),
    "topics": ("view", ["topics", "tail", "events"]),
    "state": ("view", ["state", "show"]),
    "intents": ("view", ["intents", "list"]),
}


def refused(user: User, arguments: list[str]) -> str:
    """Run a command that must end by itself, and return its one line."""
    if arguments[0] in {"up", "apply"}:
        assert user.run("init").returncode == 0
    done = user.run(*arguments)  # within its bound
    assert done.returncode == HALTED, (arguments, done.stdout, done.stderr)
    ours = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "evenkeel work: "))]
    assert len(ours) == 1, done.stderr
    assert arguments == ["work"] or "Traceback" not in done.stderr  # Faust tells its own
    assert done.stderr.splitlines()[-1] == ours[0]
    return ours[0]


@pytest.mark.parametrize("command", AS_ROLE)
def test_a_wrong_password_ends_every_command_with_one_line(premises, command):
    role, arguments = AS_ROLE[command]
    user = premises.user(role, f"wrong-{command}")
    password = user.folder / "password"
    password.write_text("canary-password\n")
    password.chmod(0o600)
    user.env["EVENKEEL_KAFKA_PASSWORD_FILE"] = str(password)
    said = refused(user, arguments)
    assert f"does not know user {role} with this password" in said
    assert "canary" not in said


@pytest.mark.parametrize("command", ["watch", "work", "submit", "positions"])
def test_an_untrusted_certificate_ends_a_command_with_one_line(premises, command):
    role, arguments = AS_ROLE[command]
    user = premises.user(role, f"untrusted-{command}")
    del user.env["EVENKEEL_KAFKA_CA"]
    assert "shows a certificate that is not trusted" in refused(user, arguments)


MISSING = {
    "watch-reads-events": ("watch", Acl("topic", "literal", "evenkeel-{}.events.v1", "Read")),
    "watch-writes-events": ("watch", Acl("topic", "literal", "evenkeel-{}.events.v1", "Write")),
    "watch-sees-settings": ("watch", Acl("topic", "prefixed", "evenkeel-{}.", "DescribeConfigs")),
    "work-joins": ("work", Acl("group", "literal", "evenkeel-{}.work", "Read")),
    "work-reads-events": ("work", Acl("topic", "literal", "evenkeel-{}.events.v1", "Read")),
    "work-writes-state": ("work", Acl("topic", "literal", "evenkeel-{}.state.v1", "Write")),
    "work-transacts": ("work", Acl("transactional-id", "prefixed", "evenkeel-{}.shard-", "Write")),
    "rehearse-reads-state": ("rehearse", Acl("topic", "literal", "evenkeel-{}.state.v1", "Read")),
    "submit-reads-intents": ("submit", Acl("topic", "literal", "evenkeel-{}.intents.v1", "Read")),
    "submit-writes-nonces": ("submit", Acl("topic", "literal", "evenkeel-{}.nonces.v1", "Write")),
    "submit-transacts": ("submit", Acl("transactional-id", "literal", "evenkeel-{}.signer-{}", "Write")),
    "pause-writes-events": ("pause", Acl("topic", "literal", "evenkeel-{}.events.v1", "Write")),
    "positions-read": ("positions", Acl("topic", "prefixed", "evenkeel-{}.", "Read")),
}


@pytest.mark.parametrize("missing", MISSING)
def test_a_missing_acl_is_named_with_what_and_role(premises, missing):
    command, acl = MISSING[missing]
    role, arguments = AS_ROLE[command]
    acl = acl._replace(name=acl.name.format(premises.chain_id, premises.owner))
    asyncio.run(premises.broker.forbid(role, acl))
    try:
        said = refused(premises.user(role, f"missing-{command}"), arguments)
    finally:
        asyncio.run(premises.broker.allow(role, [acl]))
    assert f"user {role} may not use {acl.resource.replace('-', ' ')}" in said
    assert (acl.name if acl.pattern == "literal" and command != "pause" else "") in said
    assert f"role {role} needs" in said
