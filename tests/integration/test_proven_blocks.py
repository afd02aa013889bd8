"""Headers and receipts of a real chain have the hashes that are computed from them, for all types of transactions."""

import msgspec
import pytest

from pipeline.errors import BrokenAnswerError
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.node.answers import ReceiptAnswer
from streams.node.http_node import HttpNode
from streams.node.proof.receipts_root import receipts_root

pytestmark = pytest.mark.anvil

GAS_PRICE = 3 * 10**9


def wrap_with(chain: Chain, world: World, kind: int) -> None:
    """Let somebody wrap a coin by a transaction of a type."""
    someone = world.accounts.spare[0]
    plain = actions.wrap(world, someone, 1)
    told = {"from": someone, "to": plain.to, "data": plain.data, "value": "0x1", "gas": hex(60_000)}
    if kind == 2:
        told |= {"maxFeePerGas": hex(GAS_PRICE), "maxPriorityFeePerGas": "0x1"}
    else:
        told |= {"gasPrice": hex(GAS_PRICE)} | ({"accessList": []} if kind == 1 else {})
    chain.rpc("eth_sendTransaction", told)


@pytest.mark.parametrize("transactions", [0, 1, 2, 15, 16, 17, 130, 300])
async def test_what_a_node_tells_of_a_block_is_proven(chain: Chain, world: World, transactions: int) -> None:
    for place in range(transactions):
        wrap_with(chain, world, place % 3)
    chain.mine()
    node = HttpNode(chain.url)
    try:
        header = await node.newest()
        (body,) = await node.bodies([header])
    finally:
        await node.close()
    assert body is not None
    assert len(body.receipts) == len(body.logs) == transactions
    told = msgspec.convert(chain.rpc("eth_getBlockReceipts", header.block.hash), list[ReceiptAnswer])
    assert {each.type for each in told} == {hex(kind) for kind in range(min(3, transactions))}
    assert receipts_root(told) == header.receipts_root
    assert node.proofs.headers == "yes"
    assert node.proofs.receipts == ("yes" if transactions else "unknown")
    if transactions > 1:
        assert receipts_root(told[::-1]) != header.receipts_root


async def test_a_header_of_a_real_block_whose_field_is_changed_is_refused(chain: Chain) -> None:
    node = HttpNode(chain.url)
    await node.chain_id()
    header = await node.newest()
    await node.close()
    forged = msgspec.structs.replace(header, receipts_root=header.block.hash)
    node = HttpNode(chain.url)
    await node.chain_id()
    try:
        with pytest.raises(BrokenAnswerError, match="not those that its header commits to"):
            await node.bodies([forged])
    finally:
        await node.close()
