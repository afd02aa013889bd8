"""Numbers in a node's answers: malformed ones count as the node's error, which names the call."""

import re
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from aiohttp.web import Application, Request, Response, json_response

from pipeline.errors import BrokenAnswerError
from pipeline.units import Address, Hash
from streams.node.http_node import HttpNode

ACCOUNT, AT = Address("0x" + "ab" * 20), Hash("0x" + "cd" * 32)
QUESTIONS = {
    "eth_chainId": lambda node: node.chain_id(),
    "eth_getBalance": lambda node: node.native_balances([(ACCOUNT, AT)]),
    "eth_getTransactionCount": lambda node: node.waiting(ACCOUNT),
}


async def asked(method: str, answer: Any) -> Any:
    """Ask a node that answers everything so, but for its version."""

    async def handle(request: Request) -> Response:
        body = await request.json()
        answers = [
            {
                "jsonrpc": "2.0",
                "id": each["id"],
                "result": "geth" if each["method"].startswith("web3") else answer,
            }
            for each in (body if isinstance(body, list) else [body])
        ]
        return json_response(answers if isinstance(body, list) else answers[0])

    app = Application()
    app.router.add_post("/", handle)
    async with TestServer(app) as server:
        node = HttpNode(str(server.make_url("/")))
        try:
            return await QUESTIONS[method](node)
        finally:
            await node.close()


@pytest.mark.parametrize("method", QUESTIONS)
@pytest.mark.parametrize("answer", ["0xzz", "17", "", 17, None, [], {}], ids=repr)
async def test_what_is_no_number_is_broken_and_names_the_question(method, answer):
    with pytest.raises(BrokenAnswerError, match=f"^{re.escape(method)}: "):
        await asked(method, answer)


async def test_numbers_are_taken_as_they_are_written():
    assert await asked("eth_chainId", "0x7a69") == 31_337
    assert await asked("eth_getBalance", "0x10") == [16]
    assert await asked("eth_getTransactionCount", "0x3") == range(3, 3)
