"""The contract of a node: one suite, on a real chain and on the one in memory."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import pytest

from pipeline.errors import BlockUnknownError, CallRevertedError
from pipeline.units import Address, BlockNumber, Hash, Seconds
from pipeline.venues.wallet.token_logs import DEPOSIT_TOPIC
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.node.answers import bloom_bits
from streams.node.contract_calls import method
from streams.node.fake import FakeChain, FakeLog, FakeTransaction
from streams.node.http_node import HttpNode
from streams.node.multicall import MULTICALL3
from streams.node.port import BodyScope, CallToSimulate, Header, Node
from streams.node.several_nodes import SeveralNodes

pytestmark = pytest.mark.anvil

NOBODY = Address("0x" + "22" * 20)
NOWHERE = Hash("0x" + "11" * 32)
BALANCE = method("tokens/ERC20", "balanceOf")
HEIGHT = method("multicall/Multicall3", "getBlockNumber")


class Driver(Protocol):
    """Moves the chain behind the node."""

    node: Node
    token: Address
    someone: Address

    def deposit(self, *amounts_wei: int) -> None:
        """Mine one block in which someone wraps amounts, a transaction each."""

    def rollback(self, depth: int) -> None: ...


class AnvilDriver:
    def __init__(self, chain: Chain, world: World) -> None:
        self.node: Node = HttpNode(chain.url)
        self.chain, self.world = chain, world
        self.token, self.someone = Address(world.weth), Address(world.accounts.spare[0])

    def deposit(self, *amounts_wei: int) -> None:
        for amount in amounts_wei:
            self.chain.send(actions.wrap(self.world, self.someone, amount))
        self.chain.mine()

    def rollback(self, depth: int) -> None:
        self.chain.rollback(depth)


class SeveralDriver(AnvilDriver):
    """Three ways to one chain, of which two must agree."""

    def __init__(self, chain: Chain, world: World) -> None:
        super().__init__(chain, world)
        self.node = SeveralNodes({name: HttpNode(chain.url) for name in "abc"}, quorum=2)


class FakeDriver:
    token, someone = Address("0x" + "aa" * 20), Address("0x" + "bb" * 20)

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.node: Node = self.chain
        self.chain.wei[self.someone] = lambda header: 10**18 - header.block.number
        self.chain.contracts[self.token] = self._token
        self.chain.contracts[MULTICALL3] = lambda _, header: header.block.number.to_bytes(32, "big")

    def deposit(self, *amounts_wei: int) -> None:
        topics = (DEPOSIT_TOPIC, "0x" + "0" * 24 + self.someone[2:])
        self.chain.mine(
            *(
                FakeTransaction(
                    sender=self.someone,
                    to=self.token,
                    logs=(FakeLog(address=self.token, topics=topics, data=f"0x{amount:064x}"),),
                )
                for amount in amounts_wei
            )
        )

    def rollback(self, depth: int) -> None:
        self.chain.rollback(depth)

    def _token(self, data: bytes, header: Header) -> bytes | None:
        if data[:4] != BALANCE.selector:
            return None
        seen = [body for at, body in self.chain.blocks() if at.block.number <= header.block.number]
        return sum(int(log.data, 16) for body in seen for log in body.logs).to_bytes(32, "big")


@pytest.fixture(params=["fake", "anvil", "several"])
async def driver(request: pytest.FixtureRequest, chained: dict[str, object]) -> AsyncIterator[Driver]:
    real = {"anvil": AnvilDriver, "several": SeveralDriver}
    made = FakeDriver() if request.param == "fake" else real[request.param](**chained)
    made.deposit(1, 2)
    made.deposit()
    made.deposit(3)
    yield made
    await made.node.close()


@pytest.fixture
def chained(request: pytest.FixtureRequest) -> dict[str, object]:
    """Start the real chain for those only that need it."""
    wants_anvil = not {"anvil", "several"}.isdisjoint(request.node.callspec.params.values())
    return {name: request.getfixturevalue(name) for name in ("chain", "world")} if wants_anvil else {}


async def last_headers(driver: Driver, count: int) -> list[Header]:
    newest = await driver.node.newest()
    numbers = [BlockNumber(newest.block.number - below) for below in range(count - 1, -1, -1)]
    found = await driver.node.headers(numbers)
    assert all(found)
    return [header for header in found if header is not None]


async def test_headers_link_up_to_the_newest(driver: Driver) -> None:
    headers = await last_headers(driver, 3)
    assert headers[-1] == await driver.node.newest()
    for parent, child in itertools.pairwise(headers):
        assert child.block.parent_hash == parent.block.hash
        assert child.block.number == parent.block.number + 1
        assert child.block.timestamp_s > parent.block.timestamp_s
    assert all(header.base_fee_wei > 0 for header in headers)
    assert [len(header.transactions) for header in headers] == [2, 0, 1]


async def test_a_block_is_found_by_its_hash(driver: Driver) -> None:
    (header, *_) = await last_headers(driver, 3)
    assert await driver.node.header(header.block.hash) == header


async def test_what_is_not_there_is_none(driver: Driver) -> None:
    newest = await driver.node.newest()
    beyond = BlockNumber(newest.block.number + 1)
    assert await driver.node.headers([beyond, newest.block.number]) == [None, newest]
    assert await driver.node.header(NOWHERE) is None


async def test_a_body_has_every_log_in_order(driver: Driver) -> None:
    headers = await last_headers(driver, 3)
    full, quiet, single = await driver.node.bodies(headers)
    assert full is not None
    assert quiet is not None
    assert single is not None
    assert [int(log.data, 16) for log in full.logs] == [1, 2]
    assert [int(log.data, 16) for log in single.logs] == [3]
    assert (quiet.logs, quiet.receipts) == ((), ())
    assert [log.log_index for log in full.logs] == [0, 1]
    assert [log.transaction_index for log in full.logs] == [0, 1]
    assert [log.transaction_hash for log in full.logs] == list(headers[0].transactions)
    assert all(log.address == driver.token and log.topics[0] == DEPOSIT_TOPIC for log in full.logs)


async def test_only_what_a_scope_asks_for_is_kept_of_a_body(driver: Driver) -> None:
    header, *_ = await last_headers(driver, 3)
    (whole,) = await driver.node.bodies([header])
    assert whole is not None
    for emitter, sender in itertools.product((driver.token, NOBODY), (driver.someone, NOBODY)):
        scope = BodyScope(emitters=frozenset({emitter}), senders=frozenset({sender}))
        (kept,) = await driver.node.bodies([header], scope)
        assert kept is not None
        assert kept.scope == scope
        assert kept.logs == (whole.logs if emitter == driver.token else ())
        assert kept.receipts == (whole.receipts if sender == driver.someone else ())


async def test_receipts_tell_who_sent_what(driver: Driver) -> None:
    header, *_ = await last_headers(driver, 3)
    (body,) = await driver.node.bodies([header])
    assert body is not None
    assert [receipt.transaction_hash for receipt in body.receipts] == list(header.transactions)
    assert {receipt.sender for receipt in body.receipts} == {driver.someone}
    assert {receipt.to for receipt in body.receipts} == {driver.token}
    assert all(receipt.succeeded and receipt.gas_used > 0 for receipt in body.receipts)


async def test_receipts_of_an_unknown_block_are_not_an_empty_block(driver: Driver) -> None:
    newest = await driver.node.newest()
    driver.rollback(1)
    assert await driver.node.bodies([newest]) == [None]


async def test_state_is_that_after_the_block_asked_for(driver: Driver) -> None:
    headers = await last_headers(driver, 3)
    data = BALANCE.encode(driver.someone)
    had = [BALANCE.answer(await driver.node.call(driver.token, data, h.block.hash))[0] for h in headers]
    assert [amount - had[0] for amount in had] == [0, 0, 3]
    height = await driver.node.call(MULTICALL3, HEIGHT.encode(), headers[0].block.hash)
    assert HEIGHT.answer(height) == (headers[0].block.number,)


async def test_native_balances_are_those_after_the_block(driver: Driver) -> None:
    first, _, last = await last_headers(driver, 3)
    before, after = await driver.node.native_balances(
        [(driver.someone, first.block.hash), (driver.someone, last.block.hash)]
    )
    assert before is not None
    assert after is not None
    assert before > after
    with pytest.raises(BlockUnknownError):  # a block that a node does not have is not an account without coin
        await driver.node.native_balances([(driver.someone, last.block.hash), (driver.someone, NOWHERE)])


async def test_an_account_is_told_as_it_was_after_the_block(driver: Driver) -> None:
    headers = await last_headers(driver, 3)
    at = [header.block.hash for header in headers]
    told = await driver.node.accounts([(driver.someone, each) for each in at] + [(driver.token, at[-1])])
    first, quiet, last, token = (state for state in told if state is not None)
    assert (quiet.nonce - first.nonce, last.nonce - quiet.nonce) == (0, 1)
    assert [each.wei for each in (first, quiet, last)] == await driver.node.native_balances(
        [(driver.someone, each) for each in at]
    )
    assert not last.has_code
    assert token.has_code
    with pytest.raises(BlockUnknownError):
        await driver.node.accounts([(driver.someone, NOWHERE)])


async def test_a_bloom_is_proven_and_holds_what_happened(driver: Driver) -> None:
    await driver.node.chain_id()  # some chains add to a block what its bloom does not hold
    headers = await last_headers(driver, 3)
    assert all(header.is_bloom_proven for header in headers)
    emits = [header.logs_bloom & bloom_bits(driver.token) == bloom_bits(driver.token) for header in headers]
    assert emits == [True, False, True]


async def test_a_simulated_transfer_shows_in_the_calls_behind_it_and_stays_nowhere(driver: Driver) -> None:
    newest, nobody = (await driver.node.newest()).block, Address("0x" + "00" * 18 + "beef")
    send = method("tokens/ERC20", "transfer").encode(nobody, 2)
    reads = [BALANCE.encode(who) for who in (driver.someone, nobody)]
    calls = [
        CallToSimulate(sender=driver.someone, to=driver.token, data="0x" + data.hex(), gas_limit=200_000)
        for data in (*reads, send, *reads, b"\x01\x02\x03\x04")
    ]
    *told, strange = await driver.node.simulate(calls, newest.hash, newest.timestamp_s + 12)
    assert all(call.succeeded for call in told)
    assert not strange.succeeded or not strange.returned
    had, none, has, some = (int.from_bytes(told[at].returned, "big") for at in (0, 1, 3, 4))
    assert (has - had, some - none) == (-2, 2)
    now = await driver.node.call(driver.token, BALANCE.encode(driver.someone), newest.hash)
    assert int.from_bytes(now, "big") == had
    with pytest.raises(BlockUnknownError):
        await driver.node.simulate(calls, NOWHERE, newest.timestamp_s + 12)


async def test_transfers_run_by_override_come_to_the_same_as_simulated_ones(driver: Driver) -> None:
    newest, nobody = (await driver.node.newest()).block, Address("0x" + "00" * 18 + "beef")
    there, back = (
        method("tokens/ERC20", "transfer").encode(who, amount)
        for who, amount in ((nobody, 2), (driver.someone, 1))
    )
    reads = [(nobody, BALANCE.encode(who)) for who in (driver.someone, nobody)]
    calls = [
        CallToSimulate(sender=sender, to=driver.token, data="0x" + data.hex(), gas_limit=200_000)
        for sender, data in (*reads, (driver.someone, there), *reads, (nobody, back), *reads)
    ]
    simulated = await driver.node.simulate(calls, newest.hash, newest.timestamp_s + 12)
    overridden = await driver.node.simulate_by_override(calls, newest.hash)
    assert [(call.succeeded, call.returned) for call in overridden] == [
        (call.succeeded, call.returned) for call in simulated
    ]
    with pytest.raises(BlockUnknownError):
        await driver.node.simulate_by_override(calls, NOWHERE)


async def test_refuses_to_call_at_an_unknown_block(driver: Driver) -> None:
    with pytest.raises(BlockUnknownError):
        await driver.node.call(driver.token, BALANCE.encode(driver.someone), NOWHERE)


async def test_a_revert_is_a_refusal_and_no_contract_an_empty_answer(driver: Driver) -> None:
    at = (await driver.node.newest()).block.hash
    transfer = method("tokens/ERC20", "transferFrom").encode(driver.someone, driver.token, 10**30)
    with pytest.raises(CallRevertedError):
        await driver.node.call(driver.token, transfer, at)
    assert await driver.node.call(Address("0x" + "de" * 20), b"\x01\x02\x03\x04", at) == b""


async def test_a_branch_that_went_away_is_gone_by_number_and_by_hash(driver: Driver) -> None:
    *_, kept, gone = await last_headers(driver, 3)
    driver.rollback(1)
    assert await driver.node.newest() == kept
    assert await driver.node.headers([gone.block.number]) == [None]
    assert await driver.node.header(gone.block.hash) is None
    driver.deposit(4)
    other = await driver.node.newest()
    assert other.block.number == gone.block.number
    assert other.block.hash != gone.block.hash


async def test_tells_which_chain(driver: Driver) -> None:
    assert await driver.node.chain_id() == 31_337


async def _read_balance(driver: Driver, at: Hash) -> object:
    (wei,) = await driver.node.native_balances([(driver.someone, at)])
    return wei


async def _read_call(driver: Driver, at: Hash) -> object:
    return await driver.node.call(driver.token, BALANCE.encode(driver.someone), at)


def _balance_asked(driver: Driver) -> CallToSimulate:
    data = "0x" + BALANCE.encode(driver.someone).hex()
    return CallToSimulate(sender=driver.someone, to=driver.token, data=data, gas_limit=200_000)


async def _read_simulated(driver: Driver, at: Hash) -> object:
    (told,) = await driver.node.simulate([_balance_asked(driver)], at, Seconds(2**32))
    return told.returned


async def _read_overridden(driver: Driver, at: Hash) -> object:
    (told,) = await driver.node.simulate_by_override([_balance_asked(driver)], at)
    return told.returned


@pytest.mark.parametrize("read", [_read_balance, _read_call, _read_simulated, _read_overridden])
async def test_a_block_in_the_making_does_not_show_in_what_is_read_at_the_newest(
    chain: Chain, world: World, read: Callable[[Driver, Hash], Awaitable[object]]
) -> None:
    """While anvil mines, it answers for its newest block from the state that it is just changing."""
    driver = AnvilDriver(chain, world)
    mining = True
    seen: list[tuple[Hash, object]] = []

    async def look() -> None:
        while mining:
            at = (await driver.node.newest()).block.hash
            seen.append((at, await read(driver, at)))

    looking = asyncio.create_task(look())
    for _ in range(15):
        await asyncio.to_thread(driver.deposit, *[1] * 60)
    mining = False
    await looking
    assert len({at for at, _ in seen}) > 5
    assert [told for _, told in seen] == [await read(driver, at) for at, _ in seen]
    await driver.node.close()
