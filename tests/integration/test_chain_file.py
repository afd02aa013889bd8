"""A file that describes a chain: `doctor` compares it with the chain, and `look` uses it."""

import asyncio
import re
from pathlib import Path

import pytest
import yaml
from chain_files import chain_file
from cli_run import Run
from price_play import FEED_CODE
from second_deployment import second_deployment

from pipeline.errors import SettingsError
from streams.cli.chain_row import chain_row
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import range_around
from streams.devnet.world import World
from streams.portfolio import load_portfolio
from streams.settings import load_settings

pytestmark = pytest.mark.anvil

FEED = "0x" + "fd" * 20
ODD_FACTORY = "0x" + "fa" * 20
SEQUENCER = f'[sequencer]\nsource = "its deployer"\nuptime_feed = "{FEED}"\ngrace_s = 3600\n'
FEEDS = f'[feeds]\nsource = "its deployer"\n[feeds.pairs."ETH / USD"]\naddress = "{FEED}"\nheartbeat_s = 3600\ndeviation_bps = 50\n'
OWN = Path("own.toml")
PORTFOLIO = Path("portfolio.yaml")


@pytest.fixture
def text(monkeypatch, tmp_path: Path, world: World, chain: Chain, cache: Path) -> str:
    """The chain's file, in a folder with a portfolio that names it, and a node in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENKEEL_RPC_URL", chain.url)
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", str(world.chain_id))
    PORTFOLIO.write_text(f"chain: {{id: {world.chain_id}, profile: {OWN}}}\n")
    return chain_file(world, chain, cache)


def row(text: str) -> str:
    OWN.write_text(text)
    return asyncio.run(chain_row(load_settings(), PORTFOLIO))


def wrong(text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        row(text)
    return str(refused.value)


def test_a_right_file_is_told_with_the_blocks_that_have_names(text, chain):
    head = chain.header().number
    assert row(text) == (
        "a chain of one's own: a block every 250 ms, final 40 blocks below the head; its file has not a lending market, price feeds; "
        f"safe is {min(32, head)} blocks below the head; finalized is {min(64, head)} blocks below the head"
    )


def test_without_a_file_it_is_said_that_nobody_describes_the_chain(text, world):
    del text
    PORTFOLIO.write_text(f"chain: {{id: {world.chain_id}}}\n")
    says = asyncio.run(chain_row(load_settings(), PORTFOLIO))
    assert (
        says
        == f"no file describes chain {world.chain_id}: it is taken for one with a block every 12s, final 65 blocks below the head"
    )


def test_a_portfolio_of_another_chain_says_nothing_of_this_one(text, monkeypatch):
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", "5")
    OWN.write_text(text)
    assert asyncio.run(chain_row(load_settings(), PORTFOLIO)).startswith("no file describes chain 5: ")


def test_what_stands_elsewhere_or_is_something_else_is_named(text, world):
    nowhere = "0x" + "ab" * 20
    assert f"no contract at {nowhere}, where router is to be" in wrong(text.replace(world.router, nowhere))
    other = re.sub(r'(\[contracts\.code_hashes\]\nwrapped_native = ")0x\w+', rf"\g<1>0x{64 * '0'}", text)
    assert (
        f"own.toml: contracts.code_hashes.wrapped_native: 0x{64 * '0'}, but the code at {world.weth} has hash 0x"
        in wrong(other)
    )
    made = re.sub(r'(pool_init_code_hash = ")0x\w+', rf"\g<1>0x{64 * '0'}", text)
    assert (
        f"the factory's pool of {world.weth} and {world.usdc_low} is {world.pool('weth_usdc_low_500').address}"
        in wrong(made)
    )


def test_a_further_deployment_is_told_by_the_code_of_its_pools(text, chain, world, cache):
    fork = second_deployment(chain, world, cache)
    named = {
        "name": "fork",
        "kind": "uniswap_v3",
        "factory": fork.factory,
        "position_manager": fork.position_manager,
    }
    section = {"id": world.chain_id, "profile": str(OWN), "venues": [named]}
    PORTFOLIO.write_text(yaml.safe_dump({"chain": section}))
    assert row(text).endswith("venue fork makes its pools of the same code")
    nothing = text.replace(world.usdc_low, world.usdc_high)
    assert row(nothing).endswith("what makes its pools is not known")
    named["factory"] = str(world.weth)
    PORTFOLIO.write_text(yaml.safe_dump({"chain": section}))
    assert f"venue fork: the factory at {world.weth} does not answer as one" in wrong(text)
    # a factory whose pools lie elsewhere: every question is answered by a pool of the first deployment
    named["factory"] = ODD_FACTORY
    PORTFOLIO.write_text(yaml.safe_dump({"chain": section}))
    pool = world.pool("weth_usdc_low_500").address.removeprefix("0x")
    chain.rpc("anvil_setCode", ODD_FACTORY, f"0x73{pool}60005260206000f3")
    assert row(text).endswith("venue fork makes its pools of other code, and no source tells which")


@pytest.mark.parametrize(
    ("answer", "ago_s", "says"),
    [
        (0, 3_700, None),
        (0, 3_600, "the sequencer is back since 1h: no price is relied on for 1h"),
        (1, 90, "the sequencer is down since 1m30s"),
        (2, 90, "answers 2, which is neither up (0) nor down (1)"),
        (0, -5, "answers of round 7 since"),
    ],
)
def test_a_sequencer_that_is_down_or_was_is_named(text, chain, answer, ago_s, says):
    chain.rpc("anvil_setCode", FEED, FEED_CODE)
    at_s = chain.header().timestamp_s
    for slot, value in enumerate((7, answer, at_s - ago_s, at_s, 7, 0)):
        chain.rpc("anvil_setStorageAt", FEED, hex(slot), f"0x{value:064x}")
    if says is None:
        assert row(text + SEQUENCER).endswith("; the sequencer is up since 1h1m")
    else:
        assert says in wrong(text + SEQUENCER)


def test_a_feed_that_is_none_is_named(text):
    assert f"the sequencer's uptime feed {FEED} does not answer" in wrong(text + SEQUENCER)


@pytest.mark.parametrize(
    ("name", "ago_s", "says"),
    [
        ("ETH / USD", 720, "ETH / USD 2,412.50, 12m old (at least every 1h or 0.5%)"),
        ("ETH / USD", 3_961, "ETH / USD 2,412.50, 1h6m old, which is late (at least every 1h or 0.5%)"),
        ("BTC / USD", 720, f"feeds: ETH / USD: {FEED} says that it is BTC / USD"),
    ],
)
def test_a_price_feed_is_told_with_its_age_and_must_be_what_the_file_says(text, chain, name, ago_s, says):
    chain.rpc("anvil_setCode", FEED, FEED_CODE)
    at_s = chain.header().timestamp_s
    held = (
        7,
        241_250_000_000,
        at_s,
        at_s - ago_s,
        7,
        8,
        len(name),
        int.from_bytes(name.encode().ljust(32, b"\0")),
    )
    for slot, value in enumerate(held):
        chain.rpc("anvil_setStorageAt", FEED, hex(slot), f"0x{value:064x}")
    told = wrong(text + FEEDS) if name != "ETH / USD" else row(text + FEEDS)
    assert says in told


def test_a_price_feed_that_does_not_answer_is_named(text):
    assert f"feeds: ETH / USD: {FEED} does not answer" in wrong(text + FEEDS)


def test_a_file_of_another_form_is_named_with_the_portfolios_line(text):
    says = wrong(text.replace("time_ms = 250", "time_ms = 0"))
    assert says.startswith("portfolio.yaml:1:")
    assert "chain.profile: own.toml: blocks.time_ms: must be a whole number from 10 to 60,000, is " in says


def test_a_look_by_the_chains_own_file_writes_a_portfolio_that_names_it(
    evenkeel: Run, text, world: World, chain: Chain
):
    OWN.write_text(text)
    owner, pool = world.accounts.owners[0], world.pool("weth_usdc_low_500")
    ticks = range_around(chain, pool, -600, 900)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 10**18)))
    done = evenkeel("look", owner, "--rpc", chain.url, "--chain", str(OWN), "--write", "found.yaml")
    assert done.code == 0, done.err
    found = Path("found.yaml").read_text()
    assert yaml.safe_load(found)["chain"] == {"id": world.chain_id, "profile": str(OWN)}
    (policy,) = load_portfolio(found, "found.yaml")
    assert (policy.chain.factory, policy.chain.final_depth_blocks) == (world.factory.lower(), 40)
    assert policy.limits.max_age_blocks == 240
    assert evenkeel("check", "found.yaml").code == 0
