"""A signed transaction is journalled, reported and sent in this order while the next intent is checked, several together where possible."""

import asyncio
from typing import Any

import pytest
from signer_stage import Stage

from pipeline.errors import CommitError, NodeError
from streams.submit.delivery import Delivery, ReadyToSend

LOOK: Any = None
"""Of no consequence here."""


class Writer:
    """Notes what is done, and may be held up at its commits."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.may_commit = asyncio.Event()
        self.may_commit.set()

    async def commit(self) -> None:
        await self.may_commit.wait()
        self.done.append("commit")

    async def report(self) -> None:
        self.done.append("report")


class Ground:
    """A delivery, with all that it calls noted in one list."""

    def __init__(self) -> None:
        self.writer: Any = Writer()
        self.broken: set[int] = set()
        self.delivery = Delivery(
            self.writer,
            self._offer,
            journalled=lambda: self.done.append("journalled"),
            reported=lambda: self.done.append("reported"),
        )

    @property
    def done(self) -> list[str]:
        return self.writer.done

    async def _offer(self, each: ReadyToSend) -> bool:
        await asyncio.sleep(0)
        if each.nonce in self.broken:
            raise CommitError("the journal has gone")
        self.done.append(f"send {each.nonce}")
        return True

    def put(self, *nonces: int) -> None:
        for nonce in nonces:
            self.delivery.put(ReadyToSend(nonce, LOOK))


async def test_what_is_put_meanwhile_shares_the_next_rounds_commit() -> None:
    ground = Ground()
    async with ground.delivery:
        ground.writer.may_commit.clear()
        ground.put(1)
        await asyncio.sleep(0)
        ground.put(2, 3)
        ground.writer.may_commit.set()
    first = ["commit", "journalled", "report", "send 1"]
    second = ["commit", "journalled", "report", "reported", "send 2", "send 3"]
    assert ground.done == [*first, *second, "commit", "report", "reported"]


async def test_it_goes_on_after_it_has_come_to_rest() -> None:
    ground = Ground()
    async with ground.delivery as delivery:
        ground.put(1)
        while "reported" not in ground.done:  # noqa: ASYNC110
            await asyncio.sleep(0)
        ground.put(2)
    assert not delivery.has_failed
    assert [each for each in ground.done if each.startswith("send")] == ["send 1", "send 2"]
    async with ground.delivery:
        ground.put(3)
    assert ground.done[-4:] == ["send 3", "commit", "report", "reported"]


async def test_behind_a_failure_nothing_goes_out_and_it_is_raised_in_the_end() -> None:
    ground = Ground()
    ground.broken = {2}

    async def put_behind_it() -> None:
        async with ground.delivery as delivery:
            ground.put(1, 2, 3)
            while not delivery.has_failed:  # noqa: ASYNC110
                await asyncio.sleep(0)
            ground.put(4)

    with pytest.raises(CommitError, match="the journal has gone"):
        await put_behind_it()
    assert "send 1" in ground.done
    assert not {"send 2", "send 3", "send 4"} & set(ground.done)


@pytest.mark.parametrize("error", [NodeError, RuntimeError, asyncio.CancelledError])
async def test_only_a_nodes_trouble_lets_a_round_end(error: type[BaseException]) -> None:
    """Serving goes on behind that one alone; behind any other the process ends, and the journal alone counts."""
    ground = Ground()

    async def fail_on_the_way() -> None:
        async with ground.delivery:
            ground.put(1)
            await asyncio.sleep(0)
            raise error

    with pytest.raises(error):
        await fail_on_the_way()
    assert ("reported" in ground.done) == (error is NodeError)


async def test_the_second_of_a_phase_is_judged_while_the_first_is_sent() -> None:
    stage = Stage()
    process = await stage.start()
    first = stage.ask()
    second = stage.ask(shard=first.because_of.shard, position=first.position, after=first.digest)
    send, simulate, judged = stage.node.send, stage.node.simulate, asyncio.Event()
    asked = 0

    async def send_once_both_are_judged(raw: str) -> Any:
        async with asyncio.timeout(60):
            await judged.wait()
        return await send(raw)

    async def count(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            judged.set()
        return await simulate(*arguments)

    stage.node.send, stage.node.simulate = send_once_both_are_judged, count  # type: ignore[method-assign]
    await process.step()
    assert [stage.said(each) for each in (first, second)] == [["Simulated", "Signed", "Sent"]] * 2
