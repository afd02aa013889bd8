"""A node that refuses transactions does not make the signer raise its fees, unless it says that the price is the reason."""

from itertools import pairwise

import pytest
from stepping import GWEI, SaysHttp, SaysNo, stepping
from structlog.testing import capture_logs

from pipeline.messages.events import Dropped

pytestmark = pytest.mark.anvil

SEND = "eth_sendRawTransaction"
NOT_ABOUT_THE_PRICE = {
    "geth, full": "txpool is full",
    "geth, funds": "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1",
    "geth, slots": "account limit exceeded",
    "nethermind, funds": "InsufficientFunds, Account balance: 0, cumulative cost: 21000",
    "nethermind, gap": "NonceGap",
    "erigon, full": "INTERNAL_ERROR: pending sub-pool is full",
    "besu, funds": "Upfront cost exceeds account balance",
    "besu, sync": "Initial sync is still in progress",
    "a provider": "daily request count exceeded, request rate limited",
    "words that nobody knows": "the moon is in the wrong house",
}


@pytest.mark.parametrize("says", NOT_ABOUT_THE_PRICE.values(), ids=NOT_ABOUT_THE_PRICE)
async def test_25_blocks_of_refusals_that_are_not_about_the_price_raise_no_fee(chain, world, says):
    async with stepping(chain, world) as (stage, proxy):
        with proxy.troubled(SaysNo(says, SEND)) as trouble, capture_logs() as lines:
            wanted = stage.ask()
            await stage.step()
            await stage.block(25)
        assert trouble.met >= 25
        (attempt,) = stage.attempts()
        assert attempt.tip_wei <= GWEI
        waits = [line for line in lines if line["event"] == "a transaction waits"]
        assert waits
        assert all(says in line["says"] and line["waits_for"] for line in waits)
        assert len(waits) < 10, "one line a minute of the chain's time is enough"
        # once the node takes bytes again, the very same ones land
        await stage.block(2)
        assert stage.bound()[0].inclusion.transaction_hash == attempt.transaction_hash
        assert "Sent" in stage.names(wanted)


@pytest.mark.parametrize("trouble", [SaysHttp(429, SEND), SaysNo("limit exceeded", SEND, code=-32005)])
async def test_12_blocks_of_a_rate_limit_raise_no_fee_though_the_process_dies_in_between(
    chain, world, trouble
):
    async with stepping(chain, world) as (stage, proxy):
        with proxy.troubled(trouble):
            stage.ask()
            await stage.step()
            for _ in range(6):
                await stage.block(2)
                await stage.start(stage.submit._node)
        assert trouble.met >= 12
        assert len(stage.attempts()) == 1


@pytest.mark.parametrize("says", ["AlreadyKnown", "already known", "ALREADY_EXISTS: already known"])
async def test_a_node_that_knows_the_bytes_has_accepted_them(chain, world, says):
    async with stepping(chain, world) as (stage, proxy):
        with proxy.troubled(SaysNo(says, SEND)):
            wanted = stage.ask()
            await stage.step()
            assert "Sent" in stage.names(wanted)
            await stage.block(stage.limits.bump_after_blocks - 1)
            assert len(stage.attempts()) == 1
            await stage.block(8 * stage.limits.bump_after_blocks)
        # bumped by age: once in so many blocks, not at each
        assert len(stage.attempts()) == 9


@pytest.mark.parametrize("says", ["transaction underpriced", "FeeTooLow", "Gas price below current base fee"])
async def test_only_an_answer_about_the_price_is_answered_with_a_higher_one(chain, world, says):
    async with stepping(chain, world) as (stage, proxy):
        with proxy.troubled(SaysNo(says, SEND)):
            stage.ask()
            await stage.step()
            await stage.block(3)
        tips = [attempt.tip_wei for attempt in stage.attempts()]
        assert len(tips) == 4
        assert all(more * 100 >= less * 112 for less, more in pairwise(tips))


@pytest.mark.parametrize("says", ["txpool is full", "insufficient funds for gas * price + value"])
async def test_bytes_that_a_node_took_and_lost_are_not_bumped_while_it_has_no_room(chain, world, says):
    async with stepping(chain, world) as (stage, proxy):
        stage.ask()
        await stage.step()
        chain.rpc("anvil_dropAllTransactions")
        with proxy.troubled(SaysNo(says, SEND)):
            await stage.block(25)
        assert len(stage.attempts()) == 1


@pytest.mark.parametrize(
    "says", ["exceeds block gas limit", "tx fee (1.21 ether) exceeds the configured cap (1.00 ether)"]
)
async def test_bytes_that_no_node_takes_end_their_intent_and_use_up_their_nonce(chain, world, says):
    async with stepping(chain, world) as (stage, proxy):
        nonce = stage.nonce()
        wanted = stage.ask()
        with proxy.troubled(SaysNo(says, SEND)):
            await stage.step(2)
        assert [attempt.cancels for attempt in stage.attempts()] == [False, True]
        follower = stage.ask(value_wei=7)
        await stage.block(stage.limits.final_depth_blocks + 2)
        (dropped,) = [report for report in stage.said(wanted) if isinstance(report, Dropped)]
        assert says in dropped.detail
        assert dropped.cause == "not_taken"
        assert stage.nonce() == nonce + 2, "the next intent has the next nonce"
        assert "Dropped" not in stage.names(follower)
        mined = [tx for n in range(chain.header().number) for tx in _of(chain, n + 1, stage.owner)]
        assert [int(tx["value"], 16) for tx in mined[-2:]] == [0, 7]


def _of(chain, number, owner):
    block = chain.rpc("eth_getBlockByNumber", hex(number), True)
    return [tx for tx in block["transactions"] if tx["from"] == owner]
