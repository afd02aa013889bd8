"""An owner's loans, allowances and waiting transactions, as `look`, `check` and `doctor` show them."""

import asyncio
from pathlib import Path

import pytest
import yaml
from aave_world import ETHER, USD
from chain_files import chain_file
from cli_run import Run

from pipeline.errors import SettingsError
from streams.cli.chain_row import chain_row
from streams.devnet import aave, actions
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import deploy_aave_v3_0
from streams.devnet.aave_v3_6 import deploy_aave_v3_6
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance, minted_token_id, range_around
from streams.devnet.world import World
from streams.settings import load_settings

pytestmark = pytest.mark.anvil

OWN = Path("own.toml")
WETH_OWED, USDC_SUPPLIED = 80 * ETHER, 500_000 * USD


@pytest.fixture
def market(request, chain: Chain, world: World, cache: Path) -> AaveContracts:
    """Version 3.0, or the one that a test names."""
    return getattr(request, "param", deploy_aave_v3_0)(chain, world, cache=cache)


@pytest.fixture
def owner(chain: Chain, world: World, market: AaveContracts) -> str:
    """Somebody with a range, who owes WETH against USDC."""
    owner, pool = world.accounts.owners[0], world.pool("weth_usdc_low_500")
    chain.execute(
        actions.mint_position(
            world, owner, pool, range_around(chain, pool, -600, 900), world.amounts(pool, 10 * ETHER)
        ),
        aave.supply(market, owner, market.usdc.asset, USDC_SUPPLIED),
        aave.borrow(market, owner, market.weth.asset, WETH_OWED),
    )
    much = balance(chain, world.weth, owner) - 150 * ETHER
    chain.execute(actions.transfer(world.weth, owner, world.accounts.spare[0], much))
    chain.rpc("anvil_setBalance", owner, hex(ETHER))  # the coin counts like what wraps it
    chain.mine()
    return owner


@pytest.fixture
def written(world: World, chain: Chain, cache: Path, market: AaveContracts) -> str:
    """What the chain's file says."""
    lending = [f'{role} = "{getattr(market, role)}"' for role in ("pool", "configurator", "oracle")]
    more = "\n".join(['[aave_v3]\nsource = "its deployer"', *lending])
    return chain_file(world, chain, cache, more=more)


@pytest.fixture
def text(monkeypatch, tmp_path: Path, chain: Chain, written: str) -> str:
    """The chain's file in an empty folder, and a node in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENKEEL_RPC_URL", chain.url)
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", str(chain.chain_id))
    OWN.write_text(written)
    return written


def look(evenkeel: Run, chain: Chain, owner: str, *words: str):
    done = evenkeel("look", owner, "--rpc", chain.url, "--chain", str(OWN), *words, width=200)
    assert done.code == 0, done.err
    return done


@pytest.mark.parametrize("market", [deploy_aave_v3_0, deploy_aave_v3_6], ids=["3.0", "3.6"], indirect=True)
@pytest.mark.usefixtures("text")
def test_a_loan_is_shown_adopted_closed_or_left_alone(
    evenkeel: Run, chain: Chain, market: AaveContracts, owner: str
):
    (seen,) = look(evenkeel, chain, owner, "--json").objects
    collateral, debt, *_, health_wad = ask(chain, market.pool, aave.ACCOUNT_DATA, owner)
    assert (seen["lending_account"]["collateral"], seen["lending_account"]["debt"]) == (
        str(collateral),
        str(debt),
    )
    (pair,) = seen["pairs"]
    weth, usdc = (
        next(each for each in pair["exposures"] if each["token"] == reserve.asset)
        for reserve in (market.weth, market.usdc)
    )
    assert int(weth["debt"]) == -balance(chain, market.weth.debt_token, owner) < 0
    assert int(usdc["collateral"]) == balance(chain, market.usdc.a_token, owner) > 0
    assert int(weth["net"]) == int(weth["held"]) + int(weth["debt"])
    (loan,) = pair["lending_accounts"]
    assert loan["account"]["health_wad"] == str(health_wad)
    at = loan["liquidated_at"]

    shown = look(evenkeel, chain, owner, "--write", "mine.yaml")
    assert f"health factor {health_wad / 10**18:.4f}, at aave: it counts in each pair" in shown.err
    assert f"{at:.6g}" in shown.out
    assert "is adopted as its hedge" in shown.err
    written = yaml.safe_load(Path("mine.yaml").read_text())
    (book,) = written["books"]
    owed_bps = -int(weth["debt"]) * 10_000 // int(weth["held"])
    assert book["hedge"] == {"venue": "aave", "ratio": f"{owed_bps // 100}%"}
    adopted = evenkeel("check", "mine.yaml")
    assert adopted.code == 0, adopted.err
    assert f"at aave: its hedge adopts it, as {owed_bps // 100}% of the base" in adopted.out + adopted.err

    for hedge, becomes in (
        ({"venue": "aave", "ratio": "0%"}, "its hedge closes it"),
        (None, "it counts, and the book leaves it alone"),
    ):
        book.pop("hedge")
        book |= {} if hedge is None else {"hedge": hedge}
        Path("mine.yaml").write_text(yaml.safe_dump(written))
        checked = evenkeel("check", "mine.yaml")
        assert checked.code == 0, checked.err
        assert becomes in checked.out + checked.err

    written["chain"].pop("venues")
    Path("mine.yaml").write_text(yaml.safe_dump(written))
    unnamed = evenkeel("check", "mine.yaml")
    assert f'does not count until `chain.venues` has {{name: aave, kind: aave_v3, configurator: "{market.configurator}"' in (
        unnamed.out + unnamed.err
    )  # fmt: skip


@pytest.mark.usefixtures("text")
def test_a_position_in_a_pool_that_a_book_does_not_name_is_told_with_the_lines_to_add(
    evenkeel: Run, chain: Chain, world: World, owner: str
):
    look(evenkeel, chain, owner, "--write", "mine.yaml")
    named = evenkeel("check", "mine.yaml")
    assert "does not name" not in named.err + named.out
    pool = world.pool("weth_usdc_high_500")
    ticks = range_around(chain, pool, -600, 900)
    (receipt,) = chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, ETHER)))
    told = evenkeel("check", "mine.yaml")
    assert told.code == 0, told.err
    says = told.out + told.err
    assert f"its owner has NFT {minted_token_id(receipt, world)} in a pool of" in says
    assert f'add to `pools` "{pool.address}" and to `tokens` {{symbol: USDC' in says
    assert f'address: "{world.usdc_high}", decimals: 6}}' in says


@pytest.mark.usefixtures("text")
def test_what_stands_allowed_and_what_waits_is_said(
    evenkeel: Run, chain: Chain, market: AaveContracts, owner: str, monkeypatch
):
    monkeypatch.setattr("streams.node.stable_reads._MAKING_S", 0.0)  # nobody makes a block of what waits here
    before = look(evenkeel, chain, owner)
    assert "waiting to be mined" not in before.err
    assert "already lets the router and the position manager take any amount of WETH" in before.err
    chain.rpc("evm_setAutomine", False)
    nonce = int(chain.rpc("eth_getTransactionCount", owner, "latest"), 16)
    for _ in range(2):
        chain.send(aave.repay(market, owner, market.weth.asset, ETHER))
    waits = f"has 2 of its own transactions waiting to be mined, nonces {nonce} to {nonce + 1}"
    assert waits in look(evenkeel, chain, owner, "--write", "mine.yaml").err
    checked = evenkeel("check", "mine.yaml")
    assert waits in checked.out + checked.err
    assert "the pool of aave" in checked.out + checked.err, "it may take what is repaid"


@pytest.mark.usefixtures("text")
def test_a_pool_of_a_revision_that_is_not_followed_is_said_and_does_not_count(
    evenkeel: Run, chain: Chain, owner: str, monkeypatch
):
    monkeypatch.setattr("pipeline.venues.aave_v3.revisions.RULES", {7: None})
    done = look(evenkeel, chain, owner, "--write", "mine.yaml")
    assert "it does not count here, for a pool of revision" in done.err
    assert "net exposure" not in done.out
    assert "venues" not in Path("mine.yaml").read_text()
    assert "no book can be hedged at its Aave V3" in row()


def test_doctor_holds_the_markets_addresses_against_what_its_pool_says(
    text: str, world: World, market: AaveContracts
):
    assert "Aave" not in row()
    OWN.write_text(text.replace(market.oracle, world.weth))
    with pytest.raises(SettingsError, match=f"Aave's oracle is {market.oracle}, the chain's file says"):
        row()
    OWN.write_text(text.replace(market.pool, world.weth))
    with pytest.raises(SettingsError, match="does not answer as a pool of Aave V3"):
        row()


def row() -> str:
    portfolio = Path("portfolio.yaml")
    portfolio.write_text(f"chain: {{id: 31337, profile: {OWN}}}\n")
    return asyncio.run(chain_row(load_settings(), portfolio))
