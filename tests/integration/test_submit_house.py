"""A live book with all its processes: deaths at each point, reorgs of its own mint, a front-run, a long absence."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from chaos_sender.faults import FAULTS, judge, play
from chaos_sender.house import House, opened
from chaos_sender.mints import MOST_DEPTH, commanded, hashes_of, mint_is_taken_away, receipts
from chaos_sender.setting import BOOK, POOLS

from pipeline.messages.outcomes import Done, Stalled
from pipeline.messages.transactions import SubmitTransaction
from streams.devnet import actions
from streams.devnet.transactions import Tx

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.asyncio(loop_scope="module")]

SEED = 5
CAUGHT_UP_BLOCKS = 2_000
_CHUNK_BLOCKS = 100


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
@pytest.mark.timeout(720)
@pytest.mark.parametrize("name", FAULTS)
async def test_whoever_dies_there_is_one_effect_each_and_no_intent_is_lost(lodging, name):
    house = await lodging.house()
    began_s = time.monotonic()
    found = await play(house, name)
    print(f"{name}: well again after {found.took_s:.1f} s, {time.monotonic() - began_s:.1f} s in all")
    assert (found.lost, found.doubled, found.wrong) == ([], [], [])
    lodging.is_spoilt = False


# ------------------------------------------------------------------ reorgs
@pytest.mark.timeout(720)
@pytest.mark.parametrize("depth", [1, 3, MOST_DEPTH])
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
async def test_catching_up_over_2000_blocks_sends_nothing_for_old_ones(lodging):
    house = await lodging.house()
    await house.come_to_rest()
    before = set(house.story.intents)
    began = (await house.head()).number
    await house.staff["work"].leave()
    await house.staff["submit"].leave()
    for _ in range(CAUGHT_UP_BLOCKS // _CHUNK_BLOCKS):
        await house.on_chain(_chunk, house)
        await _until_logged(house)
    head = await house.head()
    assert head.number >= began + CAUGHT_UP_BLOCKS

    house.staff["submit"].start()
    house.staff["work"].start()
    await house.settle()
    await house.until(lambda: not house.unsent, "everything is answered")
    await asyncio.sleep(1)
    await house.look()
    new = [intent for digest, intent in house.story.intents.items() if digest not in before]
    assert new, "there was something to propose"
    old = [i for i in new if i.made_at.number < head.number - i.max_age_blocks]
    assert old, "and on the way there"
    assert [i.digest for i in old if i.digest in house.story.sent or i.digest in house.story.hashes] == []
    assert {end for i in old for end in house.story.ends[i.digest]} == {"refused: expired"}
    assert len([i for i in new if i.digest in house.story.sent]) <= 1
    found = await judge(house)
    assert found.all_wrong == []
    assert BOOK
    lodging.is_spoilt = False


async def _until_logged(house: House) -> None:
    head, page = await house.head(), house.ledger.pages[house.shard]
    await house.until(lambda: page.tables.head and page.tables.head.hash == head.hash, "the log has the head")


def _chunk(house: House) -> None:
    """Mine some blocks, orders in some of them only."""
    quiet = 9
    for _ in range(_CHUNK_BLOCKS // (quiet + 1)):
        house.devnet.flow.block()
        house.chain.rpc("anvil_mine", hex(quiet), hex(12))
