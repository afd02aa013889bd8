"""Attacks on gas, its reserve and deadlines by bumps, wrapped coins and far deadlines, on a real chain."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from sender_house import CHAIN_IDS, MANAGER, ROUTER, SenderHouse, limits_of

from pipeline.messages.journal import NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.budget import most_gas_wei
from pipeline.sign.nonces import Account, bind, new_account
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.broker import Broker
from streams.devnet.chain import start_chain
from streams.devnet.reads import minted_token_id, position, range_around
from streams.devnet.world import World
from streams.submit.data_fee import GAS_PRICE_ORACLE, NODE_INTERFACE
from streams.submit.judge import Approved, Judge
from streams.submit.node import HttpSenderNode
from streams.submit.signer_state import SignerState
from streams.submit.verdict import Refusal

pytestmark = pytest.mark.anvil

ETHER, GWEI = 10**18, 10**9
FOREVER_S = 2**255


class Bench(SenderHouse):
    """A chain and a judge with its account in memory, without a broker."""

    account: Account | None = None

    async def _judge(self, intent: SubmitTransaction) -> Approved:
        node = HttpSenderNode(self.chain.url, timeout_s=10)
        try:
            judge = Judge(node, self.limits, multicall=self.world.multicall, stop_of=lambda _: None)
            look = await node.look(await node.newest(), self.owner, ())
            self.account = self.account or new_account(self.owner, look.nonce)
            return await judge.judge(intent, SignerState(account=self.account), look)
        finally:
            await node.close()

    def judge(self, intent: SubmitTransaction) -> Approved:
        return asyncio.run(self._judge(intent))

    def refusal(self, intent: SubmitTransaction) -> str:
        with pytest.raises(Refusal) as refused:
            self.judge(intent)
        return str(refused.value)

    def sign(self, intent: SubmitTransaction) -> None:
        """Take an approved intent into the account, as if it had been signed and waited."""
        from intents import attempt

        approved = self.judge(intent)
        version = replace(
            attempt(int(intent.digest, 16)),
            max_fee_wei=approved.fees.max_fee_wei,
            gas_limit=intent.call.gas_limit,
        )
        self.account = bind(self.account, intent, version, self.head(), approved.charge)


@pytest.fixture(scope="module")
def calm_chain(built: tuple[World, Path, str], tmp_path_factory, cache: Path):
    folder = tmp_path_factory.mktemp("gas")
    with start_chain(folder, cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as running:
        yield running


@pytest.fixture
def bench(calm_chain, built: tuple[World, Path, str], tmp_path: Path) -> Iterator[Bench]:
    snapshot = calm_chain.rpc("evm_snapshot")
    yield Bench("", calm_chain, built[0], tmp_path)
    calm_chain.rpc("evm_revert", snapshot)


# ------------------------------------------------------------------ bumps and cancellations
@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain:
        house = SenderHouse(broker.bootstrap_servers, chain, built[0], tmp_path)
        yield house
        house.end()


@pytest.mark.kafka
@pytest.mark.parametrize("limit", ["max_gas_wei", "max_gas_wei_per_day"])
@pytest.mark.parametrize(("storm_gwei", "cancels"), [(10, False), (80, True)])
def test_a_dear_market_never_bumps_or_cancels_beyond_the_gas_of_the_file(house, limit, storm_gwei, cancels):
    """What was signed for little no longer gets into a block: its next version may not cost what the market asks."""
    house.chain.mine(base_fee_wei=4 * GWEI)
    wanted = house.deposit()
    most_wei = wanted.call.gas_limit * 12 * GWEI
    house.limits = limits_of(house.world, **{limit: most_wei})
    pid = house.start()
    house.put(wanted)
    house.until_said(wanted.digest, "Sent")
    for _ in range(3):
        house.chain.mine(base_fee_wei=storm_gwei * GWEI)
    house.until(lambda: len(bound_by(house).attempts) > 1)
    bound = bound_by(house)
    assert bound.attempts[-1].cancels == cancels
    assert bound.attempts[-1].max_fee_wei > bound.attempts[0].max_fee_wei
    assert most_gas_wei(bound) <= most_wei
    house.stop(pid)


def bound_by(house: SenderHouse) -> NonceBound:
    (bound,) = (each for each in house.journal().values() if isinstance(each, NonceBound))
    return bound


# ------------------------------------------------------------------ the reserve
def test_no_wrapping_takes_the_coin_that_pays_for_gas(bench):
    has_wei = int(bench.chain.rpc("eth_getBalance", bench.owner, "latest"), 16)
    bench.limits = limits_of(bench.world, gas_reserve_wei=ETHER // 2)
    assert "wei of value, gas and reserve" in bench.refusal(bench.deposit(has_wei - ETHER // 2))
    bench.judge(bench.deposit(has_wei - ETHER))


def test_wrappings_that_wait_count_together_against_the_reserve(bench):
    has_wei = int(bench.chain.rpc("eth_getBalance", bench.owner, "latest"), 16)
    bench.limits = limits_of(bench.world, gas_reserve_wei=ETHER // 2)
    bench.sign(bench.deposit(has_wei // 2))
    assert "wei of value, gas and reserve" in bench.refusal(bench.deposit(has_wei // 2 - ETHER // 4))


# ------------------------------------------------------------------ deadlines and ages
def test_an_intent_with_a_deadline_in_another_age_of_the_world_is_refused(bench):
    bench.judge(bench.deposit(deadline_s=bench.head().timestamp_s + bench.limits.max_deadline_s))
    for beyond_s in (FOREVER_S, bench.head().timestamp_s + bench.limits.max_deadline_s + 1):
        assert "it may be mined until" in bench.refusal(bench.deposit(deadline_s=beyond_s))


def test_an_age_beyond_the_files_counts_for_nothing(bench):
    bench.limits = limits_of(bench.world, max_age_blocks=2)
    old = bench.deposit(max_age_blocks=2**63, deadline_s=bench.head().timestamp_s + 900)
    for _ in range(3):
        bench.chain.mine()
    assert "expired" in bench.refusal(old)


def test_calldata_that_may_be_mined_in_another_age_of_the_world_is_refused(bench):
    world, pool = bench.world, bench.world.pool("weth_usdc_low_500")
    swap = function(ROUTER, "exactInputSingle").calldata(
        (pool.token0, pool.token1, 500, bench.owner, 10**6, 0, 0)
    )
    ticks = range_around(bench.chain, pool, -600, 600)
    (receipt,) = bench.chain.execute(
        actions.mint_position(world, bench.owner, pool, ticks, world.amounts(pool, ETHER))
    )
    token_id = minted_token_id(receipt, world)
    liquidity = position(bench.chain, world, token_id).liquidity
    parts = (
        function(MANAGER, "decreaseLiquidity").encode((token_id, liquidity, 0, 0, FOREVER_S)),
        function(MANAGER, "collect").encode((token_id, bench.owner, 2**128 - 1, 2**128 - 1)),
    )
    withdraw = function(MANAGER, "multicall").calldata(parts)
    mint = function(MANAGER, "mint").calldata(
        (pool.token0, pool.token1, 500, *ticks, ETHER, ETHER, 0, 0, bench.owner, FOREVER_S)
    )
    timed = bench.swap(world.weth, ETHER, 2_995 * 10**6)
    late = timed.call.data.replace(timed.call.data[10:74], f"{FOREVER_S:064x}", 1)
    for to, data in (
        (world.position_manager, withdraw),
        (world.position_manager, mint),
        (world.router, late),
    ):
        assert f"it may be mined until {FOREVER_S}" in bench.refusal(
            bench.intent(to, data, gas_limit=900_000)
        )
    assert "exactInputSingle without a deadline" in bench.refusal(bench.intent(world.router, swap))
    bench.judge(timed)


# ------------------------------------------------------------------ data that is posted elsewhere
def answering(*words: int) -> str:
    """Make a contract that answers every call with the same bytes."""
    code = "".join(f"7f{word:064x}60{32 * place:02x}52" for place, word in enumerate(words))
    return f"0x{code}60{32 * len(words):02x}6000f3"


def test_the_fee_for_data_counts_twice_beside_the_gas(bench):
    bench.limits = limits_of(bench.world, data_fee="fee")
    assert "does not tell what the data costs" in bench.refusal(bench.deposit())
    bench.chain.rpc("anvil_setCode", GAS_PRICE_ORACLE, answering(ETHER // 100))
    assert bench.judge(bench.deposit()).charge.data_fee_wei == ETHER // 50
    bench.chain.rpc("anvil_setCode", GAS_PRICE_ORACLE, answering(bench.limits.max_gas_wei // 2 + 1))
    assert "wei of gas, at most" in bench.refusal(bench.deposit())


def test_the_fees_for_data_of_a_day_are_bounded_with_its_gas(bench):
    bench.limits = limits_of(bench.world, data_fee="fee", max_gas_wei_per_day=ETHER // 4)
    bench.chain.rpc("anvil_setCode", GAS_PRICE_ORACLE, answering(ETHER // 20))
    for _ in range(2):
        bench.sign(bench.deposit())
    assert "wei of gas within 24 h" in bench.refusal(bench.deposit())


def test_a_gas_limit_without_room_for_the_data_is_refused(bench):
    bench.limits = limits_of(bench.world, data_fee="gas")
    bench.chain.rpc("anvil_setCode", NODE_INTERFACE, answering(10_000, 1, 1))
    bench.judge(bench.deposit())
    bench.chain.rpc("anvil_setCode", NODE_INTERFACE, answering(40_000, 1, 1))
    assert "40000 for its data" in bench.refusal(bench.deposit())
