"""How a process handles stop signals, with and without an event loop, and that its handlers are removed afterwards."""

import asyncio
import os
import signal

import pytest

from streams.backoff import backoff_s
from streams.process import STOP_SIGNALS, at_each_stop_signal, stopping_on_signal, until_stopped


def tell(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_work_ends_when_told(number):
    ended = []

    async def work():
        try:
            tell(number)
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    await until_stopped(work())
    assert ended == [True]


async def test_work_that_ends_by_itself_may_raise():
    async def work():
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        await until_stopped(work())


async def test_each_signal_is_heard_while_the_block_runs_and_none_after_it():
    heard: asyncio.Queue[bool] = asyncio.Queue()
    with at_each_stop_signal(lambda: heard.put_nowait(True)):
        for _ in range(2):
            tell(signal.SIGTERM)
            assert await heard.get()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_program_without_a_loop_ends_where_it_is(number):
    former, done, cleaned = signal.getsignal(number), [], []
    with stopping_on_signal():
        try:
            tell(number)
            done.append(True)
        except Exception:  # noqa: BLE001 - what catches errors does not keep it from ending
            done.append(True)
        finally:
            cleaned.append(True)
        done.append(True)
    assert (done, cleaned) == ([], [True])
    assert signal.getsignal(number) is former


def test_what_a_program_raises_goes_on():
    with pytest.raises(ZeroDivisionError), stopping_on_signal():
        raise ZeroDivisionError


def test_a_wait_doubles_up_to_its_bound_and_is_jittered():
    for failures, longest_s in ((0, 0.5), (1, 1.0), (4, 8.0), (5, 15.0), (10**6, 15.0)):
        waits = {backoff_s(failures, first_s=0.5, most_s=15.0) for _ in range(100)}
        assert longest_s / 2 <= min(waits) < max(waits) <= longest_s
        assert len(waits) > 50
