"""A devnet starts completely, shows what runs where, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
from freezing import freeze

from pipeline.errors import DevnetError
from streams.devnet import net, processes
from streams.devnet.chain import DevnetBlock
from streams.devnet.net import DevnetRecord, Down, down, keep, load_record, status, up
from streams.devnet.processes import ProcessRecord

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

_ROOT = Path(__file__).parents[2]
SOON_S = 15.0
"""What hangs is given up after 2.5 s each time it is asked; `evenkeel devnet down` must not look as if it hung itself."""
_KEEP = """
import signal, sys, threading
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it ignored
from streams.devnet.net import keep, up
with up(Path(sys.argv[1]), cache=Path(sys.argv[2]), usual_ports=False) as devnet:
    print("up", flush=True)
    keep(devnet, block_s=0.05, stop=threading.Event())
"""


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a broker the time that its end takes on a busy machine; how soon one is killed that hangs has its own test."""
    monkeypatch.setattr(net, "_END_S", 60.0)
    monkeypatch.setattr(net, "_LEAVE_S", 90.0)


def kept_elsewhere(folder: Path, cache: Path) -> subprocess.Popen[str]:
    """A devnet kept by another process, up when this returns."""
    command = [sys.executable, "-c", _KEEP, str(folder), str(cache)]
    keeper = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    assert keeper.stdout.readline() == "up\n"
    return keeper


def gone(record: DevnetRecord) -> bool:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        if not (processes.is_running(record.broker) or processes.is_running(record.chain)):
            return True
        time.sleep(0.05)
    return False


def test_it_comes_up_and_says_what_runs_where(tmp_path: Path, cache: Path) -> None:
    said: list[str] = []
    with up(tmp_path, seed=3, cache=cache, usual_ports=False, say=said.append) as devnet:
        block = devnet.flow.block()
        parts = {part.name: part for part in status(tmp_path)}
        assert [part.state for part in parts.values()] == ["runs", "runs", "runs"]
        assert (parts["broker"].where, parts["broker"].note) == (devnet.bootstrap_servers, "serves")
        assert (parts["chain"].where, parts["chain"].note) == (devnet.rpc_url, f"block {block.number}")
        assert parts["keeper"].pid == os.getpid()
        assert load_record(tmp_path).world == devnet.world
        with pytest.raises(DevnetError, match="already runs"):
            up(tmp_path, cache=cache, usual_ports=False)
        record = load_record(tmp_path)
    assert gone(record)
    assert status(tmp_path) == ()
    assert "starting the broker" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_runs_on_when_its_keeper_ends(tmp_path: Path, cache: Path, number: signal.Signals) -> None:
    with kept_elsewhere(tmp_path, cache) as keeper:
        record = load_record(tmp_path)
        keeper.send_signal(number)
    assert gone(record)


@pytest.mark.usefixtures("patient")
def test_down_ends_it_and_its_keeper_notices(tmp_path: Path, cache: Path) -> None:
    with kept_elsewhere(tmp_path, cache) as keeper:
        record = load_record(tmp_path)
        assert down(tmp_path) == Down(ended=("chain", "broker"))
        assert gone(record)
        assert keeper.wait(60) == 0
    assert down(tmp_path) is None


@pytest.mark.usefixtures("patient")
def test_down_spares_a_process_that_only_has_the_number(tmp_path: Path, cache: Path) -> None:
    with kept_elsewhere(tmp_path, cache):
        record = load_record(tmp_path)
        stranger = ProcessRecord(pid=record.chain.pid, started="1")
        forged = msgspec.structs.replace(record, chain=stranger)
        (tmp_path / "devnet.json").write_bytes(msgspec.json.encode(forged))
        assert down(tmp_path) == Down(ended=("broker",))


def test_parts_that_hang_are_named_and_ended_soon(tmp_path: Path, cache: Path) -> None:
    with kept_elsewhere(tmp_path, cache) as keeper:
        record = load_record(tmp_path)
        for part in (record.keeper, record.chain, record.broker):
            freeze(part.pid)
        began_s = time.monotonic()
        assert [part.state for part in status(tmp_path)] == ["HANGS", "HANGS", "HANGS"]
        assert time.monotonic() - began_s < SOON_S
        began_s = time.monotonic()
        done = down(tmp_path)
        assert time.monotonic() - began_s < SOON_S
        keeper.send_signal(signal.SIGCONT)
        assert done == Down(ended=("chain", "broker"), killed=("chain", "broker"), remaining=(record.keeper,))
        assert gone(record)


def test_kept_it_mines_until_told_to_stop(tmp_path: Path, cache: Path) -> None:
    stop = threading.Event()
    mined: list[int] = []

    def note(block: DevnetBlock) -> None:
        mined.append(block.number)
        if len(mined) == 3:
            stop.set()

    with up(tmp_path, cache=cache, usual_ports=False) as devnet:
        first = devnet.chain.header().number + 1
        keep(devnet, block_s=0.01, stop=stop, on_block=note)
    assert mined == [first, first + 1, first + 2]


class Mute:
    """A devnet whose chain no longer answers, and whose process exists for a number of further checks."""

    def __init__(self, looks: int) -> None:
        self.flow, self._looks = self, looks

    def block(self) -> DevnetBlock:
        raise DevnetError("no answer")

    @property
    def is_whole(self) -> bool:
        self._looks -= 1
        return self._looks >= 0


def test_a_chain_that_stops_answering_shortly_before_it_ends_has_not_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep(Mute(looks=5), block_s=0, stop=threading.Event())
    monkeypatch.setattr(net, "_GONE_S", 0.1)
    with pytest.raises(DevnetError, match="no answer"):
        keep(Mute(looks=10**6), block_s=0, stop=threading.Event())


def test_a_part_that_ended_is_seen(tmp_path: Path, cache: Path) -> None:
    with up(tmp_path, cache=cache, usual_ports=False) as devnet:
        devnet.chain.kill()
        assert not devnet.is_whole
        chain = next(part for part in status(tmp_path) if part.name == "chain")
        assert (chain.state, chain.note) == ("ENDED", "does not answer")


def test_a_start_that_fails_ends_what_it_started(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    real = net.start_chain

    def remember(*arguments: object, **options: object) -> object:
        chain = real(*arguments, **options)  # type: ignore[arg-type]
        started.append(chain.process.pid)
        return chain

    def fail(*_: object, **__: object) -> None:
        raise DevnetError("no world today")

    monkeypatch.setattr(net, "start_chain", remember)
    monkeypatch.setattr(net, "build_world", fail)
    with pytest.raises(DevnetError, match="no world today"):
        up(tmp_path, cache=cache, usual_ports=False)
    assert not Path(f"/proc/{started[0]}").exists()


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "devnet.json").write_text("{}")
    with pytest.raises(DevnetError, match=r"devnet\.json: .*bootstrap_servers"):
        load_record(tmp_path)
    with pytest.raises(DevnetError, match="no devnet is recorded"):
        load_record(tmp_path / "elsewhere")
