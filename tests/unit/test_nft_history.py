"""The history of NFTs from a node's logs is read in the chain's order, and malformed logs count as the node's error."""

from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from aiohttp.web import Application, Request, Response, json_response

from pipeline.errors import BrokenAnswerError
from pipeline.messages.base import BlockRef
from pipeline.units import Address, BlockNumber, Hash, Seconds, TokenId
from pipeline.venues.abi import event_topic
from streams.node.http_node import HttpNode
from streams.node.port import Header
from streams.node.proof.proofs import Proofs
from streams.node.venues.uniswap_v3.nft_history import NftChange, read_histories

MANAGER = Address("0x" + "c3" * 20)
NFT = TokenId(17)
HEAD = Header(
    block=BlockRef(
        number=BlockNumber(90),
        hash=Hash("0x" + "aa" * 32),
        parent_hash=Hash("0x" + "bb" * 32),
        timestamp_s=Seconds(900),
    ),
    base_fee_wei=0,
    transactions=(),
    logs_bloom=0,
)


def log(event: str, number: int, index: int, amounts: tuple[int, int], nft: int = NFT) -> dict[str, Any]:
    words = b"".join(each.to_bytes(32, "big") for each in (5, *amounts))
    return {
        "address": MANAGER,
        "topics": [event_topic("uniswap-v3/NonfungiblePositionManager", event), f"0x{nft:064x}"],
        "data": "0x" + words.hex(),
        "logIndex": hex(index),
        "transactionHash": "0x" + "dd" * 32,
        "transactionIndex": "0x0",
        "blockHash": f"0x{number:064x}",
        "blockNumber": hex(number),
    }


def block(number: int) -> dict[str, Any]:
    """Answer a block of ten seconds per height."""
    return {
        "number": hex(number),
        "hash": f"0x{number:064x}",
        "parentHash": f"0x{number - 1:064x}",
        "timestamp": hex(number * 10),
        "logsBloom": "0x" + "00" * 256,
        "transactions": [],
    }


async def histories(monkeypatch: pytest.MonkeyPatch, logs: Any) -> dict[TokenId, list[NftChange]]:
    """Read the histories from a node that answers these logs."""
    monkeypatch.setattr(Proofs, "check_header", lambda _proofs, _block: None)  # of blocks that are made up

    async def answer(request: Request) -> Response:
        asked = await request.json()
        questions = asked if isinstance(asked, list) else [asked]
        said = {
            "eth_getLogs": lambda _: logs,
            "eth_getBlockByNumber": lambda params: block(int(params[0], 16)),
            "web3_clientVersion": lambda _: "geth",
        }
        answers = [
            {"jsonrpc": "2.0", "id": each["id"], "result": said[each["method"]](each["params"])}
            for each in questions
        ]
        return json_response(answers if isinstance(asked, list) else answers[0])

    app = Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server:
        node = HttpNode(str(server.make_url("/")))
        try:
            return await read_histories(node, MANAGER, [NFT], HEAD)
        finally:
            await node.close()


async def test_changes_come_in_the_chains_order_with_their_times(monkeypatch):
    late, early = log("Collect", 50, 3, (7, 8)), log("IncreaseLiquidity", 20, 9, (100, 200))
    between = log("DecreaseLiquidity", 50, 2, (6, 7))
    assert await histories(monkeypatch, [late, early, between]) == {
        NFT: [
            NftChange(Seconds(200), "IncreaseLiquidity", (100, 200)),
            NftChange(Seconds(500), "DecreaseLiquidity", (6, 7)),
            NftChange(Seconds(500), "Collect", (7, 8)),
        ]
    }


GOOD = log("Collect", 50, 3, (7, 8))


@pytest.mark.parametrize(
    "logs",
    [
        "0xzz",
        7,
        None,
        [None],
        [{}],
        [{**GOOD, "data": "0xzz"}],
        [{**GOOD, "data": "0x00"}],
        [{**GOOD, "data": 7}],
        [{**GOOD, "topics": []}],
        [{**GOOD, "topics": [GOOD["topics"][0], "17"]}],
        [{**GOOD, "blockNumber": "50"}],
        [{**GOOD, "blockNumber": 50}],
        [{**GOOD, "address": "0x" + "00" * 20}],
        [GOOD, GOOD],
        [log("Collect", 50, 3, (7, 8), nft=18)],
    ],
    ids=str,
)
async def test_logs_that_make_no_sense_are_the_nodes_fault(monkeypatch, logs):
    with pytest.raises(BrokenAnswerError):
        await histories(monkeypatch, logs)
