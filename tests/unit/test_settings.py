import json

import pytest
from msgspec.structs import replace

from pipeline.errors import SettingsError
from streams import redaction
from streams.cli.example import example_portfolio
from streams.cli.wider_limits import wider_than_signers
from streams.portfolio import load_portfolio
from streams.redaction import redact
from streams.run_folder import devnet_in
from streams.settings import DEFAULT_PARTITIONS, load_settings

CANARY_URL = "https://user:canary-password@mainnet.example.io/v3/canary0123456789key?token=canary-token"

WORLD = {
    "chain_id": 31337,
    "weth": "0x" + "11" * 20,
    "usdc_low": "0x" + "10" * 20,
    "usdc_high": "0x" + "12" * 20,
    "factory": "0x" + "aa" * 20,
    "position_manager": "0x" + "bb" * 20,
    "accounts": {"owners": ["0x" + "c1" * 20, "0x" + "c2" * 20], "deployer": "0x" + "dd" * 20},
    "pools": {
        "weth_usdc_low_500": {
            "address": "0x" + "e1" * 20,
            "token0": "0x" + "10" * 20,
            "token1": "0x" + "11" * 20,
        },
        "weth_usdc_high_500": {
            "address": "0x" + "e2" * 20,
            "token0": "0x" + "11" * 20,
            "token1": "0x" + "12" * 20,
        },
    },
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Settings are looked up in the current folder and the environment: both are this test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(redaction, "_known", set())
    for name in ("BROKER", "RPC_URL", "CHAIN_ID", "PARTITIONS", "FOLDER", "INSTANCE", "CACHE", "LOG_FORMAT"):
        monkeypatch.delenv(f"EVENKEEL_{name}", raising=False)
    return tmp_path


@pytest.fixture
def with_devnet(tmp_path):
    folder = tmp_path / ".evenkeel" / "devnet"
    folder.mkdir(parents=True)
    record = {"bootstrap_servers": "127.0.0.1:21234", "rpc_url": "http://127.0.0.1:21235", "world": WORLD}
    (folder / "devnet.json").write_text(json.dumps(record))


def test_without_anything_there_are_defaults_and_no_broker():
    settings = load_settings()
    assert settings.partitions == DEFAULT_PARTITIONS
    for read in (lambda: settings.kafka, lambda: settings.chain, lambda: settings.rpc_urls):
        with pytest.raises(SettingsError, match="is not set: set EVENKEEL_"):
            read()


def test_the_environment_wins_over_the_file(monkeypatch, tmp_path):
    (tmp_path / "evenkeel.yaml").write_text("broker: one:9092\nchain_id: 1\npartitions: 8\n")
    monkeypatch.setenv("EVENKEEL_BROKER", "two:9092,three:9093")
    settings = load_settings()
    assert settings.kafka.bootstrap == "two:9092,three:9093"
    assert (settings.chain, settings.partitions) == (1, 8)


def test_several_nodes_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "https://a.example/x, http://127.0.0.1:8545")
    assert load_settings().rpc_urls == ("https://a.example/x", "http://127.0.0.1:8545")


@pytest.mark.parametrize(
    ("per_second", "per_day", "allowed"),
    [
        ("", "", [(None, None), (None, None)]),
        ("10", "", [(10, None), (10, None)]),
        ("10, 25", "100000", [(10, 100_000), (25, 100_000)]),
    ],
)
def test_a_budget_is_one_for_all_nodes_or_one_for_each(monkeypatch, per_second, per_day, allowed):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "https://a.example/x, http://127.0.0.1:8545")
    monkeypatch.setenv("EVENKEEL_RPC_PER_SECOND", per_second)
    monkeypatch.setenv("EVENKEEL_RPC_PER_DAY", per_day)
    assert [(each.per_second, each.per_day) for each in load_settings().rpc_limits] == allowed


def test_a_process_has_its_share_of_a_budget_rounded_down(monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "https://a.example/x, http://127.0.0.1:8545")
    monkeypatch.setenv("EVENKEEL_RPC_PER_SECOND", "10,25")
    monkeypatch.setenv("EVENKEEL_RPC_PER_DAY", "1001")
    monkeypatch.setenv("EVENKEEL_RPC_SHARE", "30")
    settings = load_settings()
    assert [(each.per_second, each.per_day) for each in settings.rpc_limits] == [(3, 300), (7, 300)]
    assert [(each.per_second, each.per_day) for each in settings.whole_limits] == [(10, 1_001), (25, 1_001)]
    monkeypatch.setenv("EVENKEEL_RPC_SHARE", "9")
    with pytest.raises(
        SettingsError, match="EVENKEEL_RPC_SHARE: 9 % of 10 questions per second is less than one"
    ):
        _ = load_settings().rpc_limits
    for wrong in ("0", "101"):
        monkeypatch.setenv("EVENKEEL_RPC_SHARE", wrong)
        with pytest.raises(SettingsError, match="EVENKEEL_RPC_SHARE"):
            load_settings()


def test_without_a_budget_a_share_is_of_nothing(monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "https://a.example/x")
    monkeypatch.setenv("EVENKEEL_RPC_SHARE", "1")
    assert [(each.per_second, each.per_day) for each in load_settings().rpc_limits] == [(None, None)]


def test_a_budget_in_the_file_is_a_number_or_a_list(tmp_path):
    file = tmp_path / "evenkeel.yaml"
    file.write_text(
        "rpc_url: [https://a.example, https://b.example]\nrpc_per_second: 7\nrpc_per_day: [8, 9]\n"
    )
    assert [(each.per_second, each.per_day) for each in load_settings().rpc_limits] == [(7, 8), (7, 9)]


def test_budgets_that_are_not_as_many_as_nodes_are_refused(monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "https://a.example/x, http://127.0.0.1:8545")
    monkeypatch.setenv("EVENKEEL_RPC_PER_DAY", "1,2,3")
    with pytest.raises(SettingsError, match="EVENKEEL_RPC_PER_DAY: 3 numbers, 2 nodes are named"):
        _ = load_settings().rpc_limits


def test_an_empty_variable_is_not_set(monkeypatch):
    monkeypatch.setenv("EVENKEEL_PARTITIONS", "")
    assert load_settings().partitions == DEFAULT_PARTITIONS


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EVENKEEL_PARTITIONS", "0", "at least 1"),
        ("EVENKEEL_PARTITIONS", "four", "must be a whole number"),
        ("EVENKEEL_CHAIN_ID", "-1", "greater than 0"),
        ("EVENKEEL_BROKER", "localhost", "must be host:port"),
        ("EVENKEEL_BROKER", "localhost:x", "must be host:port"),
        ("EVENKEEL_BROKER", "localhost:99999", "must be host:port"),
        ("EVENKEEL_BROKER", "http://localhost:9092", "must be host:port without a scheme"),
        ("EVENKEEL_RPC_URL", "ftp://x", "must be http:// or https:// URLs"),
        ("EVENKEEL_RPC_URL", "http://127.0.0.1:99999", "must be http:// or https:// URLs"),
        ("EVENKEEL_RPC_URL", "http://127.0.0.1:0", "must be http:// or https:// URLs"),
        ("EVENKEEL_RPC_URL", "http://127.0.0.1:port", "must be http:// or https:// URLs"),
        ("EVENKEEL_RPC_URL", "http://[127.0.0.1", "must be http:// or https:// URLs"),
        ("EVENKEEL_RPC_WS", "http://x", "must be a ws:// or wss:// URL"),
        ("EVENKEEL_RPC_PER_SECOND", "ten", "must be a whole number"),
        ("EVENKEEL_RPC_PER_DAY", "100, 0", "at least 1"),
        ("EVENKEEL_INSTANCE", "a b", "must be of a-z, A-Z, 0-9, dots, _ and -"),
        ("EVENKEEL_LOG_FORMAT", "xml", "must be 'auto', 'console' or 'json'"),
        ("EVENKEEL_PARTITONS", "4", "unknown variable; did you mean EVENKEEL_PARTITIONS?"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch, name, value, says):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("chain_id: 1\npartitions: none\n", "evenkeel.yaml:2:13: partitions: must be a whole number"),
        ("chain: 1\n", "evenkeel.yaml:1:1: chain: unknown field; did you mean chain_id?"),
        ("- 1\n", "evenkeel.yaml:1:1: must hold fields"),
    ],
)
def test_a_wrong_file_is_named_with_its_place(tmp_path, text, says):
    (tmp_path / "evenkeel.yaml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert says in str(caught.value)


# ------------------------------------------------------------------ secrets
def test_a_url_with_a_key_is_never_printed(monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", CANARY_URL)
    settings = load_settings()
    assert settings.rpc_urls == (CANARY_URL,)
    shown = f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert "canary" not in shown
    assert "canary" not in redact(f"connecting to {CANARY_URL} failed; key canary0123456789key, canary-token")


def test_a_websockets_url_with_a_key_is_never_printed(monkeypatch):
    url = CANARY_URL.replace("https://", "wss://")
    monkeypatch.setenv("EVENKEEL_RPC_WS", url)
    settings = load_settings()
    assert settings.ws_url == url
    assert "canary" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert "canary" not in redact(f"connecting to {url} failed")


def test_a_wrong_secret_is_not_repeated(monkeypatch):
    monkeypatch.setenv("EVENKEEL_RPC_URL", "canary-not-a-url")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


# ------------------------------------------------------------------ a devnet in the folder
@pytest.mark.usefixtures("with_devnet")
def test_a_devnet_gives_broker_chain_and_node():
    settings = load_settings()
    assert settings.kafka.bootstrap == "127.0.0.1:21234"
    assert settings.rpc_urls == ("http://127.0.0.1:21235",)
    assert settings.chain == 31337


@pytest.mark.usefixtures("with_devnet")
def test_a_chain_that_is_named_is_not_mixed_with_the_devnet(monkeypatch):
    monkeypatch.setenv("EVENKEEL_CHAIN_ID", "1")
    settings = load_settings()
    assert settings.kafka.bootstrap == "127.0.0.1:21234"
    with pytest.raises(SettingsError, match="rpc_url is not set"):
        _ = settings.rpc_urls


def test_a_devnet_in_another_folder_is_found(monkeypatch, tmp_path):
    folder = tmp_path / "elsewhere" / "devnet"
    folder.mkdir(parents=True)
    record = {"bootstrap_servers": "127.0.0.1:1", "rpc_url": "http://127.0.0.1:2", "world": WORLD}
    (folder / "devnet.json").write_text(json.dumps(record))
    monkeypatch.setenv("EVENKEEL_FOLDER", str(tmp_path / "elsewhere"))
    assert load_settings().kafka.bootstrap == "127.0.0.1:1"


def test_a_broken_devnet_file_is_named(tmp_path):
    folder = tmp_path / ".evenkeel" / "devnet"
    folder.mkdir(parents=True)
    (folder / "devnet.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"devnet\.json: .*bootstrap_servers"):
        load_settings()


@pytest.mark.usefixtures("with_devnet")
def test_the_example_for_a_devnet_loads(tmp_path):
    devnet = devnet_in(tmp_path / ".evenkeel")
    assert devnet is not None
    low, high = load_portfolio(example_portfolio(devnet), "p.yaml", devnet=devnet.world.profile())
    assert [low.owner, high.owner] == WORLD["accounts"]["owners"]
    assert low.pools == ("0x" + "e1" * 20,)
    wider = [each for book in (low, high) for each in wider_than_signers(replace(book, mode="live"))]
    assert not any("nothing is planned beyond that" in each for each in wider), wider
    assert low.quote == WORLD["usdc_low"]
    assert low.chain.position_manager == WORLD["position_manager"]
