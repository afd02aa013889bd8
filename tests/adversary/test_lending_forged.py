"""Random sequences of lending market calls: what the signer signs is on its list, for the owner alone, and within its file."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from depth import examples
from lending_allowed import LendingFile, Standing, faults_of_call, faults_of_effect, standing
from lending_bench import ETHER, STRANGER, LendingBench
from lending_forgery import LISTED, ForgedCall, LendingForger, Target

from streams.devnet import aave
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance
from streams.devnet.transactions import Tx
from streams.submit.verdict import Refusal

pytestmark = pytest.mark.anvil

ROUNDS, EACH = examples(6), 50
"""Each round begins with the same account, or what was signed first would leave nothing to sign."""
LEAST_SIGNED = ROUNDS * EACH // 8


class Robbed:
    """A bench whose owner is asked for one forged call after another; what is signed is mined, and judged a second time."""

    def __init__(self, bench: LendingBench, elsewhere: AaveContracts, dice: random.Random) -> None:
        self.bench = bench
        world, market = bench.world, bench.market
        self.file = LendingFile({bench.weth: 25 * ETHER, bench.usdc: 0}, 1.2, 3_000)
        self.strangers = (STRANGER, elsewhere.pool)
        self.target = Target(
            chain=bench.chain,
            market=market,
            owner=bench.owner,
            stranger=STRANGER,
            foreign_token=world.usdc_high,
            foreign_pools=(elsewhere.pool,),
            router=world.router,
            deadline_s=bench.head().timestamp_s + 600,
        )
        self.forger = LendingForger(dice, self.target)
        self.drawn: Counter[str] = Counter()
        self.signed: Counter[str] = Counter()
        self.wrong: list[str] = []

    def standing(self) -> Standing:
        return standing(self.bench.chain, self.bench.market, self.bench.owner, self.strangers)

    def ask(self, forged: ForgedCall) -> None:
        """Have a forged call judged; where it is signed, mine it and hold what it did against the file."""
        bench, call = self.bench, forged.call
        self.drawn[forged.kind] += 1
        asked = bench.intent(call.to, call.data, gas_limit=call.gas_limit, value_wei=call.value_wei)
        try:
            bench.judge(asked)
        except Refusal:
            return
        self.signed[forged.kind] += 1
        faults = []
        if call.to == bench.market.pool:
            faults += faults_of_call(self.file, bench.owner, bytes.fromhex(call.data[2:]))
        elif not self._is_approval(forged):
            faults.append(f"calls {call.to}")
        before = self.standing()
        bench.chain.execute(Tx(sender=bench.owner, to=call.to, data=call.data, gas=call.gas_limit))
        faults += faults_of_effect(self.file, before, self.standing(), bench.market)
        self.wrong += [f"{forged.kind} {call.data}: {fault}" for fault in faults]

    def _is_approval(self, forged: ForgedCall) -> bool:
        return forged.call.to in self.file.most_debt and forged.call.data.startswith("0x095ea7b3")

    def strangers_have(self) -> int:
        """Add up what a stranger has of anything that was within reach."""
        market = self.bench.market
        tokens = [
            token
            for each in (market.weth, market.usdc)
            for token in (each.asset, each.a_token, each.debt_token)
        ]
        return sum(balance(self.bench.chain, token, STRANGER) for token in tokens)


@contextmanager
def as_it_was(chain: Chain) -> Iterator[None]:
    """Undo whatever is done inside."""
    snapshot = chain.rpc("evm_snapshot")
    yield
    chain.rpc("evm_revert", snapshot)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_call_is_forged_the_account_stays_within_the_file(
    lending: LendingBench, elsewhere: AaveContracts, seed: int
) -> None:
    robbed = Robbed(lending, elsewhere, random.Random(f"{seed}/{lending.market.version}"))
    for _ in range(ROUNDS):
        with as_it_was(lending.chain):
            for _ in range(EACH):
                robbed.ask(robbed.forger.draw())
            assert robbed.strangers_have() == 0
            assert ask(lending.chain, elsewhere.pool, aave.ACCOUNT_DATA, lending.owner)[:2] == (0, 0)
    print(f"{robbed.signed.total()} of {robbed.drawn.total()} signed: {sorted(robbed.signed.items())}")
    assert robbed.wrong == []
    assert robbed.signed.total() >= LEAST_SIGNED
    assert set(LISTED) <= {*robbed.signed}, "every function that may be signed was, at some amount"
    assert len(robbed.drawn) > 40, "forgeries of many kinds"
