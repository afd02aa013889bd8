"""Private transactions never reach the public mempool: not by a resend, a bump, a restart, a lost relay or a changed file."""

import json
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import yaml
from chaos.proxy import NodeProxy, Question, Trouble
from private_relay import KEY, PrivateRelay, private_relay
from signer_files import LEAST
from stepping import Stepping, proxied
from structlog.testing import capture_logs

from pipeline.errors import SettingsError
from pipeline.messages.events import Dropped
from pipeline.sign.nonces import status
from streams.redaction import redact
from streams.submit.node import HttpSenderNode
from streams.submit.relay import HttpRelay
from streams.submit.signer_file import load_signer_file

SEND = "eth_sendRawTransaction"
PRIVATE = "eth_sendPrivateTransaction"


class Listens(Trouble):
    """Notes all bytes that come to the public node."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    async def before(self, question: Question) -> Question:
        if question["method"] == SEND:
            self.heard.append(question["params"][0])
        return question


class House:
    """A signer between a public node and a private relay."""

    def __init__(self, stage: Stepping, relay: PrivateRelay, public: Listens, proxy: NodeProxy) -> None:
        self.stage, self.relay, self.public, self.proxy = stage, relay, public, proxy

    async def start(self, *, after: int | None = None, method: str = SEND, with_relay: bool = True) -> None:
        """Begin a process, as after a crash of the one before."""
        node = HttpSenderNode(self.proxy.url_for("signer"), timeout_s=5)
        relay = HttpRelay(self.relay.url, method, timeout_s=5) if with_relay else None
        if self.stage.submit is not None:
            await self.stage.submit.close()
        await self.stage.start(node, relay=relay, public_after_blocks=after)

    async def end(self) -> None:
        await self.stage.submit.close()


@asynccontextmanager
async def house_of(chain, world, **start):
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(proxied(chain))
        relay = await stack.enter_async_context(private_relay(chain))
        public = stack.enter_context(proxy.troubled(Listens()))
        house = House(Stepping(chain, world), relay, public, proxy)
        await house.start(**start)
        stack.push_async_callback(house.end)
        yield house


pytestmark = pytest.mark.anvil


@pytest.mark.parametrize("method", [SEND, PRIVATE])
async def test_what_goes_to_the_relay_goes_nowhere_else_until_it_is_in_a_block(chain, world, method):
    async with house_of(chain, world, method=method) as house:
        stage = house.stage
        wanted = stage.ask()
        await stage.step(2)
        (attempt,) = stage.attempts()
        assert attempt.is_private
        assert list(house.relay.held) == [attempt.transaction_hash]
        assert "Sent" in stage.names(wanted)
        assert (house.public.heard, stage.pool()) == ([], [])
        house.relay.include()
        await stage.step()
        assert status(stage.bound()[0]) == "mined"
        assert house.public.heard == []


async def test_neither_resend_nor_bump_shows_private_bytes_to_a_public_node(chain, world):
    async with house_of(chain, world) as house:
        stage = house.stage
        stage.ask()
        await stage.step()
        for _ in range(25):
            house.relay.held.clear()  # it drops what it took
            await stage.block()
        assert len(stage.attempts()) > 3, "it was bumped, as nobody mined what the relay had taken"
        assert {attempt.is_private for attempt in stage.attempts()} == {True}
        assert set(house.relay.sent()) == {attempt.raw for attempt in stage.attempts()}
        assert house.public.heard == []


async def test_a_restart_knows_what_was_sent_where(chain, world):
    async with house_of(chain, world) as house:
        stage = house.stage
        stage.ask()
        await stage.step()
        sent = len(house.relay.sent())
        house.relay.held.clear()
        await house.start()
        await stage.step()
        assert len(house.relay.sent()) > sent
        assert set(house.relay.sent()) == {stage.attempts()[0].raw}
        assert house.public.heard == []


@pytest.mark.parametrize("rule", [{"after": 1}, {"with_relay": False}])
async def test_a_changed_file_does_not_make_private_bytes_public(chain, world, rule):
    async with house_of(chain, world) as house:
        stage = house.stage
        deadline_s = chain.header().timestamp_s + 12 * 12
        wanted = stage.ask(deadline_s=deadline_s)
        await stage.step()
        (call, *_) = stage.attempts()
        await house.start(**rule)
        with capture_logs() as lines:
            await stage.block(10)
        assert house.public.heard == []
        if "with_relay" in rule:
            assert any("send_url" in line.get("says", "") for line in lines)
        await stage.block(4 + stage.limits.final_depth_blocks)
        # past its deadline it is cancelled publicly, which shows nothing of the call
        assert house.public.heard
        assert not {call.raw, *house.relay.sent()} & set(house.public.heard)
        (dropped,) = [report for report in stage.said(wanted) if isinstance(report, Dropped)]
        assert dropped.cause == "cancelled"


async def test_it_goes_public_after_the_blocks_that_the_file_named_then_and_not_before(chain, world):
    async with house_of(chain, world, after=3) as house:
        stage = house.stage
        stage.ask()
        await stage.step()
        house.relay.held.clear()
        await stage.block(1)
        await house.start(after=900)  # what was journalled holds
        await stage.block(1)
        assert house.public.heard == []
        house.relay.status = 503
        await stage.block(1)
        assert house.public.heard
        assert set(house.public.heard) <= {attempt.raw for attempt in stage.attempts()}
        await stage.block(1)
        assert status(stage.bound()[0]) == "mined"


@pytest.mark.parametrize("trouble", ["down", "full", "unknown"])
async def test_a_relay_that_takes_nothing_is_waited_for(chain, world, trouble):
    async with house_of(chain, world) as house:
        stage = house.stage
        if trouble == "down":
            house.relay.status = 502
        else:
            house.relay.says = (-32000, "txpool is full" if trouble == "full" else "not today")
        stage.ask()
        with capture_logs() as lines:
            await stage.step()
            await stage.block(25)
        assert len(stage.attempts()) == 1
        assert house.public.heard == []
        assert any(line["event"] == "a transaction waits" for line in lines)
        house.relay.status, house.relay.says = 200, None
        await stage.block()
        house.relay.include()
        await stage.step()
        assert status(stage.bound()[0]) == "mined"


async def test_a_relay_that_wants_more_is_offered_more_and_nobody_else(chain, world):
    async with house_of(chain, world) as house:
        house.relay.says = (-32000, "transaction underpriced")
        house.stage.ask()
        await house.stage.step()
        await house.stage.block(3)
        assert len(house.stage.attempts()) == 4
        assert house.public.heard == []


@pytest.mark.parametrize("method", [SEND, PRIVATE])
async def test_a_cancellation_asks_the_relay_to_forget_and_uses_the_nonce_up_publicly(chain, world, method):
    async with house_of(chain, world, method=method) as house:
        stage = house.stage
        wanted = stage.ask(deadline_s=chain.header().timestamp_s + 12 * 4)
        await stage.step()
        await stage.block(3)
        calls = list(stage.attempts())
        assert house.relay.forgotten() == []
        await stage.block(2)
        hashes = {attempt.transaction_hash for attempt in calls}
        assert set(house.relay.forgotten()) >= (hashes if method == PRIVATE else set())
        assert bool(house.relay.forgotten()) == (method == PRIVATE)
        assert not any(raw in house.public.heard for raw in (attempt.raw for attempt in calls))
        await stage.block(stage.limits.final_depth_blocks + 2)
        assert any(isinstance(report, Dropped) for report in stage.said(wanted))


async def test_a_relay_that_includes_the_call_after_all_leaves_one_effect(chain, world):
    async with house_of(chain, world, method=PRIVATE) as house:
        stage = house.stage
        house.relay.forgets = False
        nonce = stage.nonce()
        stage.ask(deadline_s=chain.header().timestamp_s + 12 * 4)
        await stage.step()
        await stage.block(4)
        chain.mine()
        chain.rpc("anvil_dropAllTransactions")
        house.relay.held = dict([next(iter(house.relay.held.items()))])
        house.relay.include()
        await stage.step(2)
        assert stage.nonce() == nonce + 1
        (bound,) = stage.bound()
        assert bound.inclusion is not None


async def test_the_relays_key_is_in_no_line_and_no_record(chain, world):
    async with house_of(chain, world) as house:
        stage = house.stage
        house.relay.says = (-32000, f"txpool is full, ask {house.relay.url} or {KEY} again")
        with capture_logs() as lines:
            stage.ask()
            await stage.step()
            house.relay.says, house.relay.status = None, 500
            await stage.block(2)
        assert len(lines) > 1
        assert KEY not in json.dumps(lines, default=str)
        assert stage.attempts()[0].refusal.kind == "full"
        assert KEY not in str(stage.broker.entries())


BASE = yaml.safe_dump(LEAST)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("send_url: ftp://relay.example\n", "must be an http"),
        ("send_url: [1]\n", "send_url"),
        ("send_method: eth_sendBundle\nsend_url: https://relay.example\n", "send_method"),
        ("public_after_blocks: 5\n", "send_url: missing"),
        ("send_method: eth_sendPrivateTransaction\n", "send_url: missing"),
        (f"public_after_blocks: 0\nsend_url: https://relay.example/{KEY}\n", "public_after_blocks"),
    ],
)
def test_a_file_that_says_half_of_it_is_refused_without_its_key(tmp_path: Path, more: str, says: str):
    file = tmp_path / "signer.yaml"
    file.write_text(BASE + more)
    file.chmod(0o600)
    with pytest.raises(SettingsError, match=says) as caught:
        load_signer_file(file)
    assert KEY not in str(caught.value)


def test_the_files_relay_is_hidden_wherever_it_is_shown(tmp_path: Path):
    file = tmp_path / "signer.yaml"
    file.write_text(f"{BASE}send_url: https://relay.example/v1/{KEY}?auth=t0ken99\n")
    file.chmod(0o600)
    found = load_signer_file(file)
    assert KEY not in repr(found)
    assert "t0ken99" not in redact(f"error at {KEY} and t0ken99")
    assert KEY not in redact(f"error at {KEY}")
