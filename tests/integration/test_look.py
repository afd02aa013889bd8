"""`evenkeel look` shows the chain's own values, without a broker, a key or a configuration."""

import asyncio
import random
from pathlib import Path

import pytest
from chaos.proxy import Refuses
from cli_run import Run
from ens_names import place_ens

from pipeline.math.value import value_in_token0
from pipeline.venues.abi import event_topic
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import minted_token_id, position, range_around, slot0
from streams.devnet.world import World

pytestmark = pytest.mark.anvil


@pytest.fixture
def look(evenkeel: Run, monkeypatch, tmp_path: Path, world: World, chain: Chain):
    """Run the command in an empty folder, with a file of Uniswap V3's addresses."""
    monkeypatch.chdir(tmp_path)
    Path("chain.yaml").write_text(
        f"chain:\n  id: {world.chain_id}\n  factory: '{world.factory}'\n  position_manager: '{world.position_manager}'\n"
        f"  wrapped_native: '{world.weth}'\n  router: '{world.router}'\n",
        encoding="utf-8",
    )

    def run(owner: str, *words: str, width: int | None = None):
        return evenkeel("look", owner, "--rpc", chain.url, "--chain", "chain.yaml", *words, width=width)

    return run


@pytest.fixture
def owner(world: World, chain: Chain) -> str:
    """Somebody with a range about the price in one pair, one beside it in another, and an NFT that is empty."""
    owner, trader = world.accounts.owners[0], world.accounts.traders[0]
    low, high = world.pool("weth_usdc_low_500"), world.pool("weth_usdc_high_500")
    about, beside = range_around(chain, low, -600, 900), range_around(chain, high, 600, 1_200)
    minted = [
        chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 10**18)))[0]
        for pool, ticks in ((low, about), (high, beside), (low, about))
    ]
    empty = minted_token_id(minted[2], world)
    liquidity = position(chain, world, empty).liquidity
    chain.execute(actions.decrease(world, owner, empty, liquidity), actions.collect(world, owner, empty))
    chain.execute(actions.swap_exact_in(world, trader, low, world.weth, 10**20))
    half = position(chain, world, minted_token_id(minted[0], world)).liquidity // 2
    first = minted_token_id(minted[0], world)
    chain.execute(actions.decrease(world, owner, first, half), actions.collect(world, owner, first))
    chain.execute(actions.swap_exact_in(world, trader, low, world.weth, 10**20))
    chain.mine()
    return owner


def test_what_it_tells_is_what_a_burn_would_pay(look, world: World, chain: Chain, owner: str):
    done = look(owner, "--json")
    assert done.code == 0, done.err
    (seen,) = done.objects
    assert (seen["block"], seen["closed"], seen["not_read"]) == (str(chain.header().number), "1", [])
    positions = [each for pair in seen["pairs"] for each in pair["positions"]]
    assert len(positions) == 2
    fees = 0
    for each in positions:
        pool = next(pool for pool in world.pools.values() if pool.address == each["pool"])
        number = int(each["token_id"])
        (receipt, collected) = chain.execute(
            actions.decrease(world, owner, number, int(each["liquidity"])),
            actions.collect(world, owner, number),
        )
        paid = {
            log.address: int(log.data, 16)
            for log in collected.logs
            if log.address in {pool.token0, pool.token1}
        }
        told = [int(each[f"principal{i}"]) + int(each[f"fees{i}"]) for i in (0, 1)]
        assert told == [paid.get(pool.token0, 0), paid.get(pool.token1, 0)], receipt
        fees += int(each["fees0"]) + int(each["fees1"])
    assert fees > 0, "a swap has paid fees, not collected yet"


def test_fees_since_the_mint_are_all_that_is_ever_paid_less_what_is_withdrawn(
    look, world: World, chain: Chain, owner: str
):
    (seen,) = look(owner, "--json").objects
    assert seen["no_history"] is None
    about, beside = sorted(
        (each for pair in seen["pairs"] for each in pair["positions"]), key=lambda each: int(each["token_id"])
    )
    spot = slot0(chain, world.pool("weth_usdc_low_500")).sqrt_price_x96
    number = int(about["token_id"])
    chain.execute(
        actions.decrease(world, owner, number, int(about["liquidity"])), actions.collect(world, owner, number)
    )
    fees0, fees1 = (
        amounts_of(chain, world, "Collect", number, i)
        - amounts_of(chain, world, "DecreaseLiquidity", number, i)
        for i in (0, 1)
    )
    assert fees1 > int(about["fees1"]) > 0, "some were paid before"
    assert int(about["earned"]["fees_quote"]) == fees0 + value_in_token0(fees1, spot)
    assert int(about["earned"]["fee_apr_bps"]) > 0
    assert (beside["earned"]["fees_quote"], beside["earned"]["fee_apr_bps"]) == ("0", "0")


def amounts_of(chain: Chain, world: World, event: str, number: int, i: int) -> int:
    """Add up an NFT's amounts in events of the position manager, whose last two words they are."""
    topics = [event_topic("uniswap-v3/NonfungiblePositionManager", event), f"0x{number:064x}"]
    terms = {"address": world.position_manager, "fromBlock": "0x0", "topics": topics}
    words = [bytes.fromhex(log["data"][2:])[-64:] for log in chain.rpc("eth_getLogs", terms)]
    return sum(int.from_bytes(each[32 * i : 32 * i + 32], "big") for each in words)


async def test_a_node_that_gives_no_logs_costs_the_yield_alone(look, proxy, owner: str):
    """Many nodes give logs of some thousand blocks only."""
    with proxy.troubled(Refuses(random.Random(1), "eth_getLogs", share=1.0)):
        done = await asyncio.to_thread(look, owner, "--rpc", proxy.url_for("here"), width=200)
    assert done.code == 0, done.err
    assert "what was put in is not known, so no fee APR: " in done.err
    assert "WETH/USDC positions" in done.out


def test_each_pair_is_shown_with_what_the_default_policy_would_do(look, owner: str):
    wide, narrow = look(owner, width=160), look(owner, width=80)
    assert wide.out.count("WETH/USDC positions") == 1
    assert "├" in wide.out
    assert "●" in wide.out
    assert wide.out.count("the default policy: ") >= 2
    assert "of the owner's NFTs, 1 holds nothing any more" in wide.err
    assert "each pair is shown with the owner's whole wallet" in wide.err
    first, *rest = narrow.out.splitlines()
    assert max(len(line.rstrip()) for line in rest if not line.startswith("the default policy")) <= 80
    assert "to its lower end" in first + narrow.out


def test_a_file_to_go_on_from_is_accepted(look, evenkeel: Run, owner: str):
    done = look(owner, "--write", "mine.yaml")
    assert done.code == 0, done.err
    assert "Next: evenkeel check mine.yaml" in done.err
    checked = evenkeel("check", "mine.yaml")
    assert checked.code == 0, checked.err
    assert "dry-run" in checked.out
    again = look(owner, "--write", "mine.yaml")
    assert (again.code, again.err) == (1, "error: --write: mine.yaml exists: name another file\n")


def test_a_name_stands_for_an_address_and_an_older_block_for_the_newest(
    look, chain: Chain, world: World, owner: str, cache: Path
):
    """What came in between is not in it."""
    place_ens(chain, world.accounts.deployer, cache).point("desk.example.eth", owner)
    before = chain.mine().number
    trader, pool = world.accounts.traders[0], world.pool("weth_usdc_low_500")
    chain.execute(actions.swap_exact_in(world, trader, pool, world.weth, 10**20))
    chain.mine()
    then, now = (
        look("desk.example.eth", "--json", *words).objects[0] for words in (("--block", str(before)), ())
    )
    assert then["owner"] == now["owner"] == owner
    assert then["block"] == str(before)
    assert then["pairs"] != now["pairs"]


def test_the_block_of_a_mint_is_decided_on_with_what_it_minted(look, world: World, chain: Chain):
    owner, pool = world.accounts.owners[1], world.pool("weth_usdc_low_500")
    ticks = range_around(chain, pool, 600, 1_200)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 10**18)))
    minted_at = chain.header().number
    (at_mint,) = look(owner, "--json").objects
    assert at_mint["block"] == str(minted_at)
    chain.mine()
    (behind,) = look(owner, "--json").objects
    told = [
        [
            (each.get("gate"), each.get("reason"), each.get("trigger"), each["value_quote"])
            for each in seen["pairs"][0]["decisions"]
        ]
        for seen in (at_mint, behind)
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 1
    assert int(told[0][0][3]) > 0
    assert at_mint["pairs"][0]["marks"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("0x12",), "error: OWNER 0x12: is not an address: it must be 0x and 40 hex digits"),
        (("nobody.example.eth",), "error: OWNER nobody.example.eth: nobody.example.eth "),
        (("OWNER", "--block", "999999"), "error: the node does not know block 999999"),
        (("OWNER", "--chain", "other.yaml"), "error: other.yaml is of chain 5, the node follows chain 31337"),
        (("OWNER", "--chain", "half.yaml"), "chain.position_manager: missing"),
        (("OWNER", "--chain", "wrong.yaml"), "chain.factory: is not an address"),
        (
            ("0x" + "11" * 20, "--write", "none.yaml"),
            "error: --write: none.yaml is not written: there is no open position to go on from",
        ),
        (("OWNER", "--rpc", "ftp://here"), "error: --rpc: must be an http:// or https:// URL"),
    ],
)
def test_what_cannot_be_looked_at_is_said(look, chain: Chain, world: World, words, says):
    files = {
        "other": "{id: 5}",
        "half": f"{{id: {world.chain_id}, factory: '{world.factory}'}}",
        "wrong": f"{{id: {world.chain_id}, factory: 12}}",
    }
    for name, section in files.items():
        Path(f"{name}.yaml").write_text(f"chain: {section}\n", encoding="utf-8")
    owner, *rest = words
    done = look(world.accounts.owners[1] if owner == "OWNER" else owner, *rest)
    assert done.code == 1
    assert says in done.err
    assert "Traceback" not in done.err


def test_an_unknown_chain_and_nobodys_positions(look, evenkeel: Run, chain: Chain, world: World):
    chain.mine()
    chain.mine()
    unknown = evenkeel("look", world.accounts.owners[1], "--rpc", chain.url)
    assert unknown.code == 1
    assert (
        "where Uniswap V3 stands on chain 31337 is not known: write factory, position_manager" in unknown.err
    )
    nothing = look(world.accounts.owners[1])
    assert nothing.code == 0
    assert "has no open position in Uniswap V3 on chain 31337" in nothing.err
    unwritten = look(world.accounts.owners[1], "--write", "empty.yaml")
    assert unwritten.code == 1
    assert "has no open position in Uniswap V3 on chain 31337" in unwritten.err
    assert not Path("empty.yaml").exists()
