"""Blocks in the form of each chain, with its system transactions and receipt types, followed as by watcher and worker."""

import json
from typing import Any

import pytest
from chain_forms import FORMS, TO_COME, ChainForm, DressedBlocks
from chaos.proxy import Answer, NodeProxy, Question, Trouble
from followed import Followed, world_policy

from contracts_abi.chains import known_chains
from pipeline import keys
from pipeline.errors import BrokenAnswerError
from pipeline.units import NATIVE
from pipeline.venues.wallet.forms import Balance
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import minted_token_id, range_around
from streams.devnet.world import World
from streams.node.http_node import HttpNode

pytestmark = pytest.mark.anvil

POOL = "weth_usdc_low_500"
SWAPS, TOGETHER = 6, 4


class Play:
    """An owner with a range, and trades about it: some blocks apart, then several within one second."""

    def __init__(self, chain: Chain, world: World) -> None:
        self.chain, self.world, self.pool = chain, world, world.pool(POOL)
        self.owner, self.trader = world.accounts.owners[0], world.accounts.traders[0]

    def begin(self) -> None:
        ticks = range_around(self.chain, self.pool, -600, 900)
        (receipt,) = self.chain.execute(
            actions.mint_position(
                self.world, self.owner, self.pool, ticks, self.world.amounts(self.pool, 10**19)
            )
        )
        self.token_id = minted_token_id(receipt, self.world)

    def trade(self) -> None:
        for place in range(SWAPS):
            self._swap(place)
            if place == SWAPS - TOGETHER - 1:
                self.chain.rpc("anvil_setBlockTimestampInterval", 0)
        self.chain.mine()

    def _swap(self, place: int) -> None:
        token, amount = ((self.world.weth, 10**18), (self.world.usdc_low, 2_000 * 10**6))[place % 2]
        self.chain.execute(actions.swap_exact_in(self.world, self.trader, self.pool, token, amount))


@pytest.fixture
def play(chain: Chain, world: World) -> Play:
    begun = Play(chain, world)
    begun.begin()
    return begun


def kept(followed: Followed) -> dict[str, Any]:
    """What a shard has of pool, NFTs and balances of tokens."""
    tables = followed.shard.tables
    families = (keys.pool.family, keys.position.family, keys.balance.family)
    return {
        key: value
        for key, value in tables.changes().items()
        if key.split("/")[0] in families and key != native_of(followed)
    }


def native_of(followed: Followed) -> str:
    """Return the key of the owner's native balance, which only blocks contain."""
    return keys.balance(followed.policy.owner, NATIVE)


async def follow(node: HttpNode, play: Play, chain_id: int) -> Followed:
    policy = world_policy(play.world, play.owner, play.pool, chain_id, mode="watch")
    followed = Followed(node, policy)
    await followed.begin()
    return followed


@pytest.mark.parametrize("name", FORMS)
async def test_a_chains_own_blocks_lead_to_what_stands_on_it(
    name: str, play: Play, proxy: NodeProxy, node: HttpNode
) -> None:
    form = FORMS[name]
    assert known_chains()[form.chain_id].name == name
    above = play.chain.header().number
    with proxy.troubled(DressedBlocks(form, proxy, above=above)) as dressed:
        assert await node.chain_id() == form.chain_id
        followed = await follow(node, play, form.chain_id)
        play.trade()
        await followed.catch_up()
        assert dressed.met > SWAPS
        afresh = await follow(node, play, form.chain_id)
        assert (node.proofs.headers, node.proofs.receipts) == ("yes", "yes")
    assert kept(followed) == kept(afresh)
    assert len(kept(followed)) > 3
    told = followed.shard.tables.need(native_of(followed), Balance)
    assert told.amount == int(play.chain.rpc("eth_getBalance", play.owner, "latest"), 16)
    times = [event.block.timestamp_s for event in followed.log if hasattr(event, "base_fee_wei")]
    assert len(times) == SWAPS + 1
    assert len(set(times)) == SWAPS - TOGETHER, "the last blocks have one timestamp"


class Forges(Trouble):
    """A system's receipt comes with another type, or without its log."""

    def __init__(self, change: dict[str, Any]) -> None:
        super().__init__()
        self._change = change

    async def after(self, question: Question, answer: Answer) -> Answer:
        if question["method"] != "eth_getBlockReceipts" or not answer.get("result"):
            return answer
        self.met += 1
        told = json.loads(json.dumps(answer))
        told["result"][0] |= self._change
        return told


@pytest.mark.parametrize(
    ("form", "change"),
    [
        (FORMS["Optimism"], {"depositNonce": "0x77"}),
        (FORMS["Base"], {"status": "0x0"}),
        (FORMS["Arbitrum One"], {"type": "0x64"}),
        (FORMS["Polygon"], {"status": "0x0"}),
        (FORMS["BNB Smart Chain"], {"cumulativeGasUsed": "0x1"}),
    ],
)
async def test_a_forged_receipt_of_a_chains_own_form_is_no_receipt_of_its_block(
    form: ChainForm, change: dict[str, Any], play: Play, proxy: NodeProxy, node: HttpNode
) -> None:
    with proxy.troubled(DressedBlocks(form, proxy, above=play.chain.header().number)):
        await node.chain_id()
        followed = await follow(node, play, form.chain_id)
        play._swap(0)
        await followed.catch_up()
        play._swap(1)
        with proxy.troubled(Forges(change)) as forging, pytest.raises(BrokenAnswerError):
            await followed.catch_up()
        assert forging.met
        await followed.catch_up()


async def test_receipts_of_a_type_that_nobody_knows_yet_are_held_against_blooms_and_passed_over(
    play: Play, proxy: NodeProxy, node: HttpNode
) -> None:
    with proxy.troubled(DressedBlocks(TO_COME, proxy, above=play.chain.header().number)):
        await node.chain_id()
        followed = await follow(node, play, TO_COME.chain_id)
        play.trade()
        await followed.catch_up()
        afresh = await follow(node, play, TO_COME.chain_id)
        assert (node.proofs.headers, node.proofs.receipts) == ("yes", "no")
    assert kept(followed) == kept(afresh)
