"""What a pause stops at the signer, and the one thing that it lets through."""

import pytest
from builders import address
from intents import SIGNER, intent

from pipeline.protocols.uniswap_v3.calldata import write_approve
from streams.chain.submit.calldata import takes_back
from streams.chain.submit.pauses import Pauses

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
