"""What a pause stops at the signer, and the one kind of intent that it lets through."""

from types import SimpleNamespace

import pytest
from builders import BASE, OWNER, ROUTER, address
from desk import Desk, live
from intents import SIGNER, intent

from pipeline.act.allowances import write_approve
from pipeline.messages.events import Paused
from pipeline.messages.transactions import SubmitTransaction
from streams.submit.pauses import Pauses
from streams.submit.serve import Submit
from streams.submit.stop_file import put_stop_file
from streams.submit.venues.registry import takes_back

RESET = write_approve(address(7), 0)


def stopped(data: str, *, scope: str = "book/b1", cancels: bool = False, **changes: object) -> bool:
    pauses = Pauses()
    pauses.note_pause(0, scope, cancels=cancels)
    return pauses.stopping(intent(data=data, **changes)) is not None


def test_a_paused_book_still_takes_permissions_back():
    assert not stopped(RESET)
    assert stopped(RESET, scope="all")
    assert stopped(RESET, cancels=True), "who cancels what is signed wants nothing sent"


@pytest.mark.parametrize(
    ("data", "value_wei"),
    [
        (write_approve(address(7), 1), 0),
        (write_approve(address(7), 2**256 - 1), 0),
        (RESET, 1),
        (RESET + "00", 0),
        (RESET[:-2], 0),
        ("0xa9059cbb" + RESET[10:], 0),
        ("0x", 0),
    ],
)
def test_whatever_else_is_stopped(data, value_wei):
    assert not takes_back(intent(data=data, value_wei=value_wei, owner=SIGNER))
    assert stopped(data, value_wei=value_wei)


def test_a_stop_file_stops_a_reset_too(tmp_path):
    file = tmp_path / "stop"
    server = SimpleNamespace(_stop_file=file, _inbox=SimpleNamespace(stop_of=Pauses().stopping))
    assert Submit._stop_of(server, intent(data=RESET)) is None
    put_stop_file(file, cancels=False, reason="a test")
    assert Submit._stop_of(server, intent(data=RESET)) is not None


# ------------------------------------------------------------------ in the pipeline
@pytest.mark.parametrize(
    ("scope", "cancels", "is_sent"),
    [("book/alpha", False, True), ("book/alpha", True, False), ("all", False, False), ("all", True, False)],
)
def test_a_reset_is_commanded_only_where_the_signer_would_take_it(
    scope: str, cancels: bool, is_sent: bool
) -> None:
    desk = Desk(live())
    desk.block(push=True)
    while not any(each.step == "mint" for each in desk.pending):
        desk.block()
    desk.watcher.chain.allowances[OWNER, BASE, ROUTER] = 7
    desk.watcher.append(Paused(scope=scope, reason="stop", by="me", cancels=cancels))
    for _ in range(3):
        desk.block()
    assert ("reset" in [each.step for each in desk.said(SubmitTransaction)]) == is_sent
    assert (desk.watcher.chain.allowances[OWNER, BASE, ROUTER] == 0) == is_sent
