"""A chain of another deployer, known by its file alone, and a fork of it, by commands: look, check, dry-run, live, a complete plan."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from chain_files import chain_file
from eth_account import Account
from sender_house import signer_of
from stepping import nameless
from strangers import ASKED_BPS, fork_of, with_a_share_to_reach
from users import User
from worlds import strangers_chain
from worlds.strangers_chain import DAI_A_WETH, StrangersChain, build_strangers_chain

from streams.devnet import actions
from streams.devnet.broker import Broker
from streams.devnet.chain import Chain, start_chain
from streams.devnet.ports import HOST
from streams.devnet.reads import token_ids
from streams.node.blocking_rpc import BlockingRpc
from streams.portfolio import load_portfolio

pytestmark = [pytest.mark.kafka, pytest.mark.anvil, pytest.mark.timeout(720)]

BLOCK_EVERY_S = 0.5
TRADE_EVERY_BLOCKS = 5
ETHER = 10**18
SIGNER = """
chain: {chain}
keystore: key.json
password_file: password
factory: "{factory}"
router: "{router}"
position_manager: "{manager}"
wrapped_native: "{weth}"
pools: ["{pool}"]
policies: {{{book}: "{version}"}}
budget_token: "{dai}"
max_loss: 5%
max_loss_per_day: 100_000
max_notional: 1_000_000
max_notional_per_day: 5_000_000
twap_window: 3m
single_reference: true
single_node: true
final_depth_blocks: 40
block_time: 1s
"""


@contextmanager
def going_on(chain: Chain, theirs: StrangersChain) -> Iterator[None]:
    """Let the chain go on by itself, as others' chains do: a block now and then, and somebody who trades a little."""
    ends, rpc = threading.Event(), BlockingRpc(HOST, chain.port)
    own = Chain(folder=chain.folder, port=chain.port, argv=[], rpc=rpc, chain_id=chain.chain_id)
    trader = theirs.world.accounts.arbitrageur
    rpc("anvil_impersonateAccount", trader)  # a fork's own accounts are others

    def go_on() -> None:
        for blocks in itertools.count():
            if ends.wait(BLOCK_EVERY_S):
                return
            if blocks % TRADE_EVERY_BLOCKS == 0:
                token, amount = (
                    (theirs.world.weth, ETHER // 5),
                    (theirs.world.usdc_low, DAI_A_WETH * ETHER // 5),
                )[blocks // TRADE_EVERY_BLOCKS % 2]
                own.send(actions.swap_exact_in(theirs.world, trader, theirs.pool, token, amount))
            rpc("evm_mine")

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
        rpc.close()


@pytest.fixture
def user(tmp_path: Path, cache: Path, own_broker: Broker) -> Iterator[User]:
    folder = tmp_path / "keel"
    folder.mkdir()
    made = User(folder, cache)
    made.env["EVENKEEL_BROKER"] = own_broker.bootstrap_servers
    made.env["EVENKEEL_CHAIN_ID"] = str(strangers_chain.CHAIN_ID)
    yield made
    made.leave()


def decisions(user: User) -> list[dict[str, Any]]:
    told = user.run("topics", "tail", "decisions", "--from-beginning", "--no-follow", "--json").stdout
    return [json.loads(line)["value"] for line in told.splitlines() if line.startswith("{")]


def of_type(user: User, name: str) -> list[dict[str, Any]]:
    return [each for each in decisions(user) if each["type"].startswith(name)]


def ends(user: User) -> list[str]:
    """List how plans have ended so far."""
    return [each["outcome"]["kind"] for each in of_type(user, "PlanClosed")]


def succeeds(user: User, *words: str) -> str:
    done = user.run(*words)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def end(user: User, log: str) -> None:
    up = user.started.pop()
    up.terminate()
    assert up.wait(timeout=90) == 0, user.read(log)[-2_000:]


def write_signer(user: User, theirs: StrangersChain, found: Path) -> None:
    (policy,) = load_portfolio(found.read_text(), str(found))
    key = signer_of(theirs.owner)._account.key
    files = {
        "key.json": json.dumps(Account.encrypt(key, "a password", kdf="pbkdf2", iterations=2)),
        "password": "a password\n",
        "signer.yaml": SIGNER.format(
            chain=strangers_chain.CHAIN_ID,
            factory=theirs.world.factory,
            router=theirs.world.router,
            manager=theirs.world.position_manager,
            weth=theirs.world.weth,
            pool=theirs.pool.address,
            book=policy.book,
            version=policy.policy_version,
            dai=theirs.world.usdc_low,
        ),
    }
    for name, text in files.items():
        (user.folder / name).write_text(text)
        (user.folder / name).chmod(0o600)


@pytest.mark.parametrize("is_fork", [False, True], ids=["their chain", "a fork of it"])
def test_a_look_leads_to_a_plan_that_is_mined_to_its_end(
    is_fork: bool, user: User, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(user.folder)
    with ExitStack() as opened:
        chain = opened.enter_context(
            start_chain(tmp_path / "theirs", cache=cache, chain_id=strangers_chain.CHAIN_ID)
        )
        theirs = build_strangers_chain(chain, cache)
        Path("strangers.toml").write_text(chain_file(theirs.world, chain, cache))
        if is_fork:
            chain = opened.enter_context(fork_of(chain, tmp_path / "fork", cache))
        url = opened.enter_context(nameless(chain))
        opened.enter_context(going_on(chain, theirs))
        user.env["EVENKEEL_RPC_URL"] = url
        before = set(token_ids(chain, theirs.world, theirs.owner))

        found, words = Path("found.yaml"), ("--chain", "strangers.toml", "--write", "found.yaml", "--json")
        seen = json.loads(succeeds(user, "look", theirs.owner, "--rpc", url, *words))
        share_bps = int(seen["pairs"][0]["inventory"]["base_share_bps"]) - ASKED_BPS
        asked = with_a_share_to_reach(found.read_text(), share_bps, cooldown="5m")
        found.write_text(asked.replace("mode: live", "mode: dry-run"))
        assert yaml.safe_load(found.read_text())["books"][0]["mode"] == "dry-run"
        succeeds(user, "check", "found.yaml")

        user.start("up", "found.yaml", log="dry.log")
        user.until(lambda: bool(of_type(user, "ProposalTried")), "a dry-run")
        assert of_type(user, "ProposalTried")[0]["run"]["outcome"] == "done"
        end(user, "dry.log")
        assert set(token_ids(chain, theirs.world, theirs.owner)) == before

        found.write_text(asked)
        write_signer(user, theirs, found)
        succeeds(user, "check", "found.yaml")
        succeeds(user, "submit", "signer.yaml", "--new-signer")
        user.start("up", "found.yaml", "--live", "--signer", "signer.yaml", log="live.log")
        user.until(lambda: ends(user)[-1:] == ["done"], "a plan's end")
        # what was wanted before the signer was up may have been too old for it
        assert set(ends(user)[:-1]) <= {"never_sent"}
        assert set(token_ids(chain, theirs.world, theirs.owner)) - before, "it has minted a range"
        end(user, "live.log")
        succeeds(user, "state", "verify")
