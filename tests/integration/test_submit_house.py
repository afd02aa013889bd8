"""A live book with all its processes: deaths at each point, reorgs of its own mint, a front-run, a long absence."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from chaos_sender.absence import is_away
from chaos_sender.faults import FAULTS, judge, play_in_turn
from chaos_sender.house import House, opened
from chaos_sender.mints import MOST_DEPTH, commanded, hashes_of, mint_is_taken_away, receipts
from chaos_sender.points import POINTS
from chaos_sender.setting import POOLS

from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.transactions import SubmitTransaction
from streams.devnet import actions
from streams.devnet.transactions import Tx

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.asyncio(loop_scope="module")]

SEED = 5
_PLANS = 6
DEATHS = [
    *(list(POINTS)[first::_PLANS] for first in range(_PLANS)),
    *([name] for name in FAULTS if name not in POINTS),
]
"""Along one plan several deaths, in the order of a transaction's way; what strikes at any time has a plan of its own."""
AWAY_BLOCKS = 500


class Lodging:
    """A deployment that outlives the tests that it passed; after one that it did not, there is another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._leaving: Callable[..., object] | None = None
        self._house: House | None = None
        self.is_spoilt = True

    async def house(self) -> House:
        if self.is_spoilt or self._house is None:
            await self.leave()
            place = self._folder / str(self._count)
            place.mkdir()
            self._opened = opened(place, SEED + self._count, POOLS[self._count % len(POOLS)])
            self._house = await self._opened.__aenter__()
            self._count += 1
        self.is_spoilt = True
        return self._house

    async def leave(self) -> None:
        if self._house is not None:
            self._house = None
            await self._opened.__aexit__(None, None, None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lodging(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lodging]:
    lodging = Lodging(tmp_path_factory.mktemp("sender"))
    yield lodging
    await lodging.leave()


# ------------------------------------------------------------------ deaths
async def test_each_fault_is_played():
    assert sorted(name for names in DEATHS for name in names) == sorted(FAULTS)


@pytest.mark.timeout(720)
@pytest.mark.parametrize("names", DEATHS, ids=", ".join)
async def test_whoever_dies_there_is_one_effect_each_and_no_intent_is_lost(lodging, names):
    """Each of them alone, with a verdict of its own, is the campaign's."""
    house = await lodging.house()
    began_s = time.monotonic()
    found = await play_in_turn(house, names)
    print(f"{names}: well again after {found.took_s:.1f} s, {time.monotonic() - began_s:.1f} s in all")
    assert (found.lost, found.doubled, found.wrong) == ([], [], [])
    lodging.is_spoilt = False


# ------------------------------------------------------------------ reorgs
@pytest.mark.timeout(720)
@pytest.mark.parametrize("depth", [1, MOST_DEPTH])
async def test_our_own_mint_taken_away_comes_back_once(lodging, depth):
    """The depths between them are the campaign's."""
    house = await lodging.house()
    found = await mint_is_taken_away(house, depth)
    assert found.all_wrong == []
    lodging.is_spoilt = False


# ------------------------------------------------------------------ a front-run
@pytest.mark.timeout(720)
async def test_a_swap_that_somebody_runs_ahead_of_reverts_and_the_plan_goes_on(lodging):
    house = await lodging.house()
    swap = await commanded(house, "swap")
    raws = [
        attempt.raw
        for digest, attempt in house.story.attempts.values()
        if digest in {swap.digest, swap.after} and digest not in house.story.ends
    ]
    before = await house.on_chain(_wealth, house)
    await house.on_chain(_run_ahead, house, swap, raws)
    (receipt,) = await house.on_chain(receipts, house, swap.digest)
    assert int(receipt["status"], 16) == 0, "less than its minimum would have come"
    after = await house.on_chain(_wealth, house)
    assert after[1:] == before[1:], "no token has moved"
    assert 0 < before[0] - after[0] < 10**17, "lost is gas alone"
    found = await judge(house)
    assert found.all_wrong == []
    tried = [i.attempt for i in house.story.intents.values() if i.plan == swap.plan and i.step == "swap"]
    assert tried == sorted(set(tried))
    assert swap.plan in house.story.stalled
    assert isinstance(house.story.plans[swap.plan][-1], Done | Stalled)
    lodging.is_spoilt = False


def _run_ahead(house: House, swap: SubmitTransaction, raws: list[str]) -> None:
    """Put an attacker's swap in the same direction before ours, into the same block."""
    world, pool = house.world, house.world.pool(house.pool)
    sells_base = swap.call.data.find(world.weth.removeprefix("0x")) < swap.call.data.find(
        world.usdc_of(pool).removeprefix("0x")
    )
    sold = world.weth if sells_base else world.usdc_of(pool)
    attacker = world.accounts.traders[0]
    amount = 3_000 * 10**18 if sells_base else 9_000_000 * 10**6
    for hash_ in hashes_of(house, swap.digest) | hashes_of(house, swap.after or ""):
        house.chain.rpc("anvil_dropTransaction", hash_)
    if not sells_base:
        house.chain.send(actions.mint_usdc(sold, attacker, attacker, amount))
    else:
        house.chain.send(Tx(sender=attacker, to=world.weth, data="0xd0e30db0", value_wei=amount))
    house.chain.send(actions.swap_exact_in(world, attacker, pool, sold, amount))
    for raw in raws:
        house.chain.rpc("eth_sendRawTransaction", raw)
    house.chain.mine()


def _wealth(house: House) -> tuple[int, ...]:
    """Native coin, and each token of the owner's."""
    from streams.devnet.reads import balance

    native_wei = int(house.chain.rpc("eth_getBalance", house.owner, "latest"), 16)
    return (native_wei, *(balance(house.chain, token, house.owner) for token in house.world.tokens))


# ------------------------------------------------------------------ a long absence
@pytest.mark.timeout(600)
async def test_catching_up_sends_nothing_for_old_blocks(lodging):
    """A longer absence is the campaign's."""
    house = await lodging.house()
    found = await is_away(house, AWAY_BLOCKS)
    assert found.all_wrong == []
    lodging.is_spoilt = False
