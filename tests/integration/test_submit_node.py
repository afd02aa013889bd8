"""A real node's answers to a signer: reads, simulations, and all kinds of acceptance and refusal of transactions."""

import asyncio

import pytest
from sender_house import signer_of

from pipeline.errors import BlockUnknownError
from pipeline.venues.abi import function
from streams.submit.node import CallToSimulate, HttpSenderNode
from streams.submit.signer import Unsigned

pytestmark = pytest.mark.anvil

GWEI = 10**9


@pytest.fixture
def ask(chain):
    async def run(question):
        node = HttpSenderNode(chain.url, timeout_s=10)
        try:
            return await question(node)
        finally:
            await node.close()

    return lambda question: asyncio.run(run(question))


@pytest.fixture
def signer(world):
    return signer_of(world.accounts.owners[1])


def unsigned(chain, world, nonce, **changes):
    usual = {
        "chain_id": chain.chain_id,
        "nonce": nonce,
        "to": world.weth,
        "data": "0xd0e30db0",
        "value_wei": 5,
        "gas_limit": 60_000,
        "max_fee_wei": 3 * GWEI,
        "tip_wei": GWEI,
    }
    return Unsigned(**(usual | changes))


def test_bytes_are_taken_known_used_up_or_refused(ask, chain, world, signer):
    nonce = int(chain.rpc("eth_getTransactionCount", signer.address, "latest"), 16)
    signed = signer.sign(unsigned(chain, world, nonce))
    assert ask(lambda node: node.send(signed.raw)).kind == "taken"
    again = ask(lambda node: node.send(signed.raw))
    assert (again.kind, "already" in again.says) == ("known", True)
    chain.mine()
    assert ask(lambda node: node.send(signed.raw)).kind == "nonce_too_low"
    poor = signer.sign(unsigned(chain, world, nonce + 1, value_wei=10**30))
    assert ask(lambda node: node.send(poor.raw)).kind == "funds"
    cheap = signer.sign(unsigned(chain, world, nonce + 1, max_fee_wei=1, tip_wei=0))
    assert ask(lambda node: node.send(cheap.raw)).kind == "underpriced"

    look = ask(lambda node: _look(node, signer.address, [signed.transaction_hash, poor.transaction_hash]))
    assert look.nonce == nonce + 1
    assert list(look.inclusions) == [signed.transaction_hash]
    assert look.inclusions[signed.transaction_hash].block_hash == chain.header().hash
    assert look.next_base_fee_wei > 0


async def _look(node, address, hashes):
    return await node.look(await node.newest(), address, hashes)


def test_a_look_at_an_older_head_does_not_see_what_came_later(ask, chain, world, signer):
    nonce = int(chain.rpc("eth_getTransactionCount", signer.address, "latest"), 16)
    signed = signer.sign(unsigned(chain, world, nonce))

    async def look(node):
        head = await node.newest()
        await node.send(signed.raw)
        chain.mine()
        return await node.look(head, signer.address, [signed.transaction_hash])

    found = ask(look)
    assert (found.nonce, found.inclusions) == (nonce, {})


def test_calls_run_upon_each_other_and_leave_nothing(ask, chain, world, signer):
    head = chain.header()
    deposit = CallToSimulate(
        sender=signer.address, to=world.weth, data="0xd0e30db0", value_wei=7, gas_limit=60_000
    )
    data = function("tokens/ERC20", "balanceOf").calldata(signer.address)
    balance = CallToSimulate(sender=signer.address, to=world.weth, data=data, gas_limit=60_000)
    data = function("tokens/WETH9", "withdraw").calldata(10**30)
    failing = CallToSimulate(sender=signer.address, to=world.weth, data=data, gas_limit=60_000)
    before, done, failed, after = ask(
        lambda node: node.simulate([balance, deposit, failing, balance], head.hash, head.timestamp_s + 12)
    )
    had, has = (int.from_bytes(call.returned, "big") for call in (before, after))
    assert has - had == 7
    assert [done.succeeded, failed.succeeded] == [True, False]
    assert done.logs[0].address == world.weth
    assert 21_000 < done.gas_used < 60_000
    assert chain.header().hash == head.hash
    with pytest.raises(BlockUnknownError):
        ask(lambda node: node.simulate([deposit], "0x" + "ab" * 32, head.timestamp_s + 12))


def test_blocks_are_told_by_number_or_not_yet(ask, chain):
    head = chain.header()
    assert ask(lambda node: node.block_hash(head.number)) == head.hash
    assert ask(lambda node: node.block_hash(head.number + 1)) is None
