"""How a node's answer is not as it must be is said without a library's phrases, whatever the answer."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from pipeline.errors import BrokenAnswerError
from streams.node.answers import BlockAnswer, LogAnswer
from streams.node.rpc import parsed

BLOCK = msgspec.json.Decoder(BlockAnswer | None)
LOGS = msgspec.json.Decoder(tuple[LogAnswer, ...])


@pytest.mark.parametrize(
    ("decoder", "answer", "says"),
    [
        (BLOCK, b'"hello"', "block: must be an object or null, is text"),
        (BLOCK, b"1", "block: must be an object or null, is a whole number"),
        (BLOCK, b'{"number": 1}', "block: number must be text, is a whole number"),
        (BLOCK, b"{}", "block: parentHash is missing"),
        (LOGS, b"null", "block: must be a list, is null"),
        (LOGS, b"[{}]", "block: [0].address is missing"),
        (LOGS, b"[", "block: it ends too early"),
        (LOGS, b"[x", "block: invalid character (byte 1)"),
    ],
    ids=str,
)
def test_what_is_wrong_with_an_answer_in_plain_words(decoder: Any, answer, says):
    with pytest.raises(BrokenAnswerError) as broken:
        parsed(decoder, msgspec.Raw(answer), "block")
    assert str(broken.value) == says


def test_an_answer_nested_without_end_does_not_end_who_asks_by_web3():
    """py_ecc, which comes with web3, raises Python's limit: msgspec then overflows the stack. Run apart, for it would end the tests."""
    program = (
        "import sys, msgspec\n"
        "from streams.node.client import _response\n"
        "from pipeline.errors import BrokenAnswerError\n"
        "assert sys.getrecursionlimit() > 50_000\n"
        "try: _response('eth_call', msgspec.Raw(sys.stdin.buffer.read()))\n"
        "except BrokenAnswerError as error: print(error)"
    )
    deep = b"[" * 60_000 + b"]" * 60_000
    done = subprocess.run([sys.executable, "-c", program], input=deep, capture_output=True, check=False)
    assert done.stdout == b"eth_call: its values lie too deep inside each other\n", done.stderr
