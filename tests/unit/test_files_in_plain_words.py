"""An odd value at any place of a file that a person writes is an error in plain words, never a traceback, never a library's phrase."""

import copy
import json
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import SettingsError
from streams import settings
from streams.cli.example import example_portfolio
from streams.portfolio import load_portfolio
from streams.submit.signer_file import load_signer_file

POOL = "0x" + "e1" * 20
BOOK_PARTS: dict[str, Any] = {
    "references": [{"mean": [POOL], "window": "30m", "within": "1%"}, {"feed": "0x" + "11" * 20, "max_age": "66m", "within": "1%"}],
    "rerange": {"half_width": "6%", "reserve_base": "0", "on_stall": "wait", "stall_after": "10m", "large_swaps": "split"},
    "price_history": {"every": "5m", "span": "14d"},
    "limits": {"max_notional": "100000", "max_daily_notional": "500000", "max_cost": "1%", "max_fee_gwei": "200", "max_age_blocks": "5", "max_actions_per_day": "6"},
}  # fmt: skip
SIGNER = {
    "chain": "1", "keystore": "key.json", "password_file": "password", "pools": [POOL], "policies": {"one": 64 * "1"},
    "budget_token": "0x" + "a2" * 20, "max_loss_per_day": "300", "max_notional": "50000", "max_notional_per_day": "500000",
    "max_loss": "1%", "standing_allowances": {"0x" + "a2" * 20: "20"},
    "venues": [{"kind": "aave_v3", "name": "aave", "pool": "0x" + "44" * 20, "least_health": "1.1", "shock": "10%", "tokens": {"0x" + "a2" * 20: "5"}}],
}  # fmt: skip
SETTINGS = {
    "broker": "127.0.0.1:9", "rpc_url": "http://127.0.0.1:9", "rpc_ws": "ws://127.0.0.1:9", "rpc_quorum": "1", "rpc_per_second": "5",
    "rpc_share": "100", "chain_id": "1", "partitions": "4", "instance": "one", "folder": "run", "log_format": "json",
}  # fmt: skip
ODD: tuple[Any, ...] = (
    "", "-1", "1e400", "NaN", "1,000", "٣", 400 * "9", 5_000 * "9", 5_000 * "a", "\u202eabc", [], ["x"], {}, {"x": "1"}, None,
)  # fmt: skip
THEIRS = re.compile(
    r"\b(should|Input|input|valid|parse|Expected|expected|instance of|type=|class|dictionary|pattern|pydantic)\b|None|Exceeds|<|\\x"
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    found = copy.copy(value)
    found[path[0]] = changed(value[path[0]], path[1:], odd)
    return found


def portfolio() -> dict[str, Any]:
    value = yaml.load(example_portfolio(None), Loader=yaml.BaseLoader)  # noqa: S506 - every scalar a text
    value["books"][0] |= BOOK_PARTS
    return value


@pytest.fixture
def readers(tmp_path, monkeypatch) -> dict[str, tuple[Any, Callable[[Any], object]]]:
    """Each kind of file: what a right one holds, and how one is read."""
    monkeypatch.chdir(tmp_path)

    def signer(value: Any) -> object:
        file = Path("signer.yaml")
        file.write_text(json.dumps(value))
        file.chmod(stat.S_IRUSR | stat.S_IWUSR)
        return load_signer_file(file)

    def of_settings(value: Any) -> object:
        settings.SETTINGS_FILE.write_text(json.dumps(value))
        return settings.load_settings()

    return {
        "portfolio": (portfolio(), lambda value: load_portfolio(json.dumps(value), "p.yaml")),
        "signer": (SIGNER, signer),
        "settings": (SETTINGS, of_settings),
    }


@pytest.mark.parametrize(("kind", "least"), [("portfolio", 600), ("signer", 250), ("settings", 80)])
def test_an_odd_value_at_any_place_is_an_error_in_plain_words(readers, kind, least):
    right, read = readers[kind]
    read(right)
    refused = 0
    for path in places(right):
        for odd in ODD:
            try:
                read(changed(right, path, odd))
            except SettingsError as error:
                refused += 1
                for line in str(error).splitlines():
                    said = line.replace(str(odd), "")
                    assert not THEIRS.search(said), (path, str(odd)[:40], line[:300])
            except OSError as error:  # a command names it in a line: tests/unit/test_cli.py
                assert error.filename  # noqa: PT017 - either kind of error is right
    assert refused > least
