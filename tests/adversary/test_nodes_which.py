"""A signer is started on nodes that could deceive it: a single one, one under two names, one without encryption, an anvil fork."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from signer_files import LEAST
from stepping import SaysNo, proxied

from pipeline.errors import SettingsError
from pipeline.units import ChainId
from streams.devnet.chain import Chain, start_chain
from streams.redaction import node_name
from streams.submit.node_requirements import check_clients, check_urls
from streams.submit.signer_file import SignerFile

A, B = "https://a.example/v2/kkkkkkkkkkkkkkk1", "https://b.example/kkkkkkkkkkkkkkk2"


def terms(**changes: object) -> SignerFile:
    return SignerFile.model_validate(LEAST | changes)


@pytest.mark.parametrize(
    "urls",
    [
        (A,),
        (A, A),
        ("https://a.example/one", "https://a.example/two?key=kkkkkkkk"),
        ("https://a.example", "https://A.EXAMPLE:443/x"),
        ("https://a.example", "https://user:secret@a.example./"),
        ("http://127.0.0.1:8545", "http://localhost:8545"),
        ("http://127.0.0.1:8545", "http://[::1]:8545"),
        ("http://127.0.0.1:8545", "http://127.9.9.9:8545"),
    ],
)
def test_one_node_however_often_it_is_named_is_one_node(urls):
    with pytest.raises(SettingsError, match="two independent nodes"):
        check_urls(urls, terms())
    check_urls(urls, terms(single_node=True))
    check_urls(urls, terms(chain=31_337))


def test_two_hosts_or_two_ports_of_this_machine_are_two_nodes():
    check_urls((A, B), terms())
    check_urls(("http://127.0.0.1:8545", "http://127.0.0.1:8546"), terms())


@pytest.mark.parametrize(
    "url", ["http://a.example/", "HTTP://a.example", "http://10.0.0.7:8545", "http://127.0.0.1.evil.example"]
)
def test_clear_text_to_another_machine_is_refused_unless_the_file_allows_it(url):
    with pytest.raises(SettingsError, match="without encryption"):
        check_urls((url, B), terms())
    check_urls((url, B), terms(allow_http=True))


def test_no_error_shows_a_key():
    for urls in ((A,), (A.replace("https", "http"), B)):
        with pytest.raises(SettingsError) as caught:
            check_urls(urls, terms())
        assert "kkkk" not in str(caught.value)
    assert node_name("https://u:p@H.Example/v2/key?x=y") == "h.example:443"


@pytest.fixture
def posing(tmp_path: Path, cache: Path):
    """An anvil that says it is the main network."""
    with start_chain(tmp_path / "posing", cache=cache, chain_id=1) as running:
        yield running


@pytest.mark.anvil
async def test_an_anvil_that_poses_as_a_public_chain_is_refused(posing: Chain):
    for chain_id in (1, 10, 137, 8453, 42_161, 123_456_789):
        with pytest.raises(SettingsError, match="a test node, but chain"):
            await check_clients([posing.url], ChainId(chain_id), timeout_s=5)
    await check_clients([posing.url], ChainId(31_337), timeout_s=5)


@pytest.mark.anvil
async def test_a_node_that_does_not_say_what_it_is_passes(posing: Chain):
    async with proxied(posing) as proxy:
        with proxy.troubled(SaysNo("method not found", "web3_clientVersion", code=-32601)):
            await check_clients([proxy.url_for("x")], ChainId(1), timeout_s=5)


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("single_node", "says"), [("false", "two independent nodes"), ("true", "a test node, but chain 1")]
)
def test_the_command_refuses_before_it_opens_the_key(posing: Chain, tmp_path: Path, single_node, says):
    file = tmp_path / "signer.yaml"
    key = {"keystore": f"{tmp_path}/none.json", "password_file": f"{tmp_path}/none"}
    file.write_text(yaml.safe_dump(LEAST | key | {"single_node": single_node == "true"}))
    file.chmod(0o600)
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")},
        "EVENKEEL_BROKER": "127.0.0.1:1",
        "EVENKEEL_RPC_URL": posing.url,
        "EVENKEEL_CHAIN_ID": "1",
    }
    argv = [sys.executable, "-m", "streams.cli", "submit", str(file), "--live"]
    ended = subprocess.run(
        argv, env=env, cwd=Path.cwd(), capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode != 0
    assert says in " ".join((ended.stdout + ended.stderr).split())
