"""`doctor` and `state verify` on a real broker: errors are named, and only what was checked is called well."""

import asyncio
import time

import pytest
from cli_desk import MANAGER, OTHER_POOL, POOL, USDC, a_book, live_portfolio, signer_file
from msgspec.structs import replace

from pipeline.messages.processes import NodeSeen, ProcessSeen, ShardHead
from pipeline.venues.uniswap_v3.forms.entries import Pool
from streams import processes
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import encode, encode_entry
from streams.kafka.readers import reading
from streams.kafka.topics import (
    PROCESSES,
    STATE,
)
from streams.policy_rollout import appending
from streams.verify import Verdict, against_the_fold, load_shard

pytestmark = pytest.mark.kafka


def processes_seen(desk, *seen):
    async def send() -> None:
        async with appending(KafkaAccess(desk.bootstrap)) as producer:
            for each in seen:
                await producer.send_and_wait(
                    PROCESSES.on(desk.chain_id), key=each.key.encode(), value=encode(each), partition=0
                )

    asyncio.run(send())


def test_a_process_that_has_fallen_silent_is_named_and_the_doctor_is_not_well(kept, desk, monkeypatch):
    """The heads, the last error and the age of each; and, where books are in force, the roles that nobody has."""
    usual = ProcessSeen(
        role="work", instance="a", signer=None, pid=7, release="1.2", started_at_s=int(time.time()) - 90, beat_s=600,
        heads=(ShardHead(shard=1, block=17),), newest_block=None, last_error="no broker",
        last_error_at_s=int(time.time()) - 30,
    )  # fmt: skip
    processes_seen(desk, usual, replace(usual, role="watch", instance="b", heads=(), last_error=None))
    assert "heartbeat" not in desk.run("inventory").err
    shown = " ".join(desk.run("doctor").out.split())
    assert "work a well version 1.2, pid 7, up for 1m" in shown
    assert "at block 17 (shard 1); last warning or error " in shown
    assert "no `evenkeel watch`" not in shown
    assert (
        "rehearse well no `evenkeel rehearse` shows a heartbeat: proposals of dry-run books are not tried"
        in shown
    )
    node = NodeSeen(
        name="a.example:443", head=15, lag_blocks=2, latency_ms=40, failing_percent=10, asked_in_a_day=512,
        trouble="HTTP 503",
    )  # fmt: skip
    late = replace(
        usual, role="watch", instance="b", trouble="block 17, the newest, is 2h behind", nodes=(node,)
    )
    processes_seen(desk, late)
    shown = desk.run("doctor")
    assert shown.code == 1
    assert "watch b WRONG block 17, the newest, is 2h behind; version" in " ".join(shown.out.split())
    said = "node a.example:443: at block 15, 2 behind, 40 ms, 10 % of questions fail, 512 questions in 24h, last: HTTP 503"
    assert said in " ".join(shown.out.split())
    said = " ".join(desk.run("inventory").err.split())
    assert "`evenkeel watch` of b: block 17, the newest, is 2h behind" in said
    processes_seen(desk, replace(late, trouble=None))
    monkeypatch.setattr(processes, "STALE_BEATS", -1)
    stale = desk.run("doctor")
    assert stale.code == 1
    assert "work a WRONG `evenkeel work` of a is stale: no heartbeat for" in " ".join(stale.out.split())
    assert "no `evenkeel watch` shows a heartbeat: no block is followed" in " ".join(stale.out.split())
    for command in ("inventory", "positions"):
        assert "`evenkeel watch` of b is stale: no heartbeat for" in " ".join(desk.run(command).err.split())


def test_the_doctor_misses_what_forks_the_chain(desk, monkeypatch, tmp_path):
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    monkeypatch.setenv("EVENKEEL_CACHE", str(tmp_path / "nothing"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no anvil here to fork the chain with, for one" in desk.run("doctor").out


def test_the_doctor_finds_what_is_wrong(desk):
    sick = desk.run("doctor")
    assert sick.code == 1
    assert "missing topics" in sick.out
    assert "rpc_url is not set" in sick.out
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    assert "one: its shard has not taken it up yet: is `evenkeel work` running?" in desk.run("doctor").out
    wrong = Pool(
        **(dict.fromkeys(Pool.__struct_fields__, 0) | {"token0": MANAGER, "token1": USDC, "decimals1": 8})
    )
    desk.commit(0, (STATE.name, f"pool/{POOL}", encode_entry(wrong)))
    shown = desk.run("doctor").out
    assert "book one: USDC has 8 decimals, not 6" in shown
    assert f"reference_pool {POOL} is not one of base and quote" in shown


def test_the_doctor_holds_live_books_against_their_signers_files(desk):
    """A file that allows less is named by book and limit; a book of other pools is none of its business."""
    live_portfolio(desk, "limits: {max_notional: 1000, max_daily_notional: 5000, signer: {max_loss: 0.8%}}")
    assert desk.run("apply", "--live").code == 0
    ((_, version),) = desk.policies()

    def row(max_loss: dict[str, str]) -> str:
        files = [
            signer_file(desk, pool, pool=pool, max_loss=most, version=version)
            for pool, most in max_loss.items()
        ]
        done = desk.run("doctor", *(word for file in files for word in ("--signer", str(file))))
        return " ".join(next(line for line in done.out.splitlines() if line.startswith("signers")).split())

    wider = "one: signer.max_loss 0.8% is wider than its signer's max_loss, 0.7%: it would refuse what needs it (limits)"
    assert row({POOL: "0.7%"}) == f"signers WRONG {wider}"
    assert row({POOL: "0.8%", OTHER_POOL: "0.7%"}) == "signers well allow what is planned by one"


def test_verify_of_nothing_is_not_well(desk, monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "http://127.0.0.1:9")
    desk.portfolio(a_book("one", 1))
    desk.run("apply")
    done = desk.run("state", "verify")
    assert done.code == 1
    assert "nothing was compared: no worker has committed a state yet" in done.err


def test_verify_says_what_is_on_the_log_and_in_no_state(kept, desk):
    def verdict() -> Verdict:
        async def compare(found: Verdict) -> Verdict:
            async with reading(KafkaAccess(desk.bootstrap)) as reader:
                loaded = await load_shard(reader, desk.chain_id, kept.shard.id)
                await against_the_fold(reader, desk.chain_id, loaded, found)
            return found

        return asyncio.run(compare(Verdict()))

    assert verdict().behind == []
    kept.watcher.block()
    kept.append()
    says = f"{len(kept.unread)} records of shard {kept.shard.id}, which no worker has taken in"
    assert verdict().behind == [says]
