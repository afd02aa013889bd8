"""How a signer reads prices, and the file's fields about them."""

from pathlib import Path

import pytest
from eth_abi.abi import encode
from msgspec.structs import replace

from pipeline.errors import SettingsError, UnreadableError
from streams.submit.signer_file import SignerFile, load_signer_file
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, PricedPool, UniswapV3Terms
from streams.submit.venues.uniswap_v3.twap import age_s, read_past

POOL = "0x" + "e1" * 20
WETH, USDC, FEED = "0x" + "a1" * 20, "0x" + "a2" * 20, "0x" + "fe" * 20
FILE = f"""
chain: 31337
devnet_account: "{"0x" + "51" * 20}"
pools: ["{POOL}"]
budget_token: "{USDC}"
max_loss_per_day: 300
max_notional: 50000
max_notional_per_day: 500000
"""


# ------------------------------------------------------------------ a pool's past
def observed(ticks: tuple[int, int], seconds_per_liquidity_x128: tuple[int, int] = (0, 300 << 64)) -> bytes:
    return encode(("int56[]", "uint160[]"), (ticks, seconds_per_liquidity_x128))


@pytest.mark.parametrize(
    ("ticks", "mean"),
    [((0, 3_000), 10), ((0, -3_001), -11), ((100, 99), -1), ((2**55 - 150, -(2**55) + 150), 1)],
)
def test_a_mean_tick_is_rounded_down_across_the_counter_s_end(ticks, mean):
    assert read_past(observed(ticks), 300).mean_tick == mean


def test_the_mean_liquidity_is_harmonic_and_survives_the_counter_s_end():
    assert read_past(observed((0, 0)), 300).mean_liquidity == 1 << 64
    assert read_past(observed((0, 0), (2**160 - 1, 299)), 300).mean_liquidity == 1 << 128
    assert read_past(observed((0, 0), (5, 5)), 300).mean_liquidity == 300 << 128, (
        "no time passed: never a division"
    )


@pytest.mark.parametrize("answer", [b"", b"\0" * 64, encode(("int56[]", "uint160[]"), ([1], [2]))])
def test_what_is_no_past_is_unreadable(answer):
    with pytest.raises(UnreadableError):
        read_past(answer, 300)


def test_an_observation_s_age_counts_on_its_clock_of_32_bits():
    assert age_s(2**32 + 5, 2**32 - 7) == 12
    assert age_s(100, 100) == 0


# ------------------------------------------------------------------ by fee
LOG_BPS_OF_100_PERCENT = 6_932


@pytest.mark.parametrize(("fee_pips", "ticks"), [(100, 20), (500, 50), (3_000, 100), (10_000, 200)])
def test_how_far_spot_may_be_follows_the_fee_unless_the_file_says_so(fee_pips, ticks):
    pool = PricedPool(address=POOL, token0=WETH, token1=USDC, fee_pips=fee_pips)
    places = {"router": POOL, "position_manager": POOL}
    usual = UniswapV3Terms(deployments=(ListedDeployment(**places, pools=(pool,)),))
    assert usual.spot_bound_ticks(pool) == ticks
    told = replace(usual, max_spot_from_twap_log_bps=7)
    assert told.spot_bound_ticks(pool) == 7
    assert usual.withdrawing_bound_ticks(pool) == LOG_BPS_OF_100_PERCENT
    narrow = replace(told, max_spot_from_twap_withdrawing_log_bps=5)
    assert narrow.withdrawing_bound_ticks(pool) == 7, "never less than where anything is traded"


# ------------------------------------------------------------------ the file
def load(tmp_path: Path, more: str = "", text: str = FILE) -> SignerFile:
    file = tmp_path / "signer.yaml"
    file.write_text(text + more)
    file.chmod(0o600)
    return load_signer_file(file)


def feed(**fields: str) -> str:
    usual = {"address": f'"{FEED}"', "base": f'"{WETH}"', "quote": f'"{USDC}"', "heartbeat": "1h"} | fields
    told = ", ".join(f"{name}: {value}" for name, value in usual.items() if value)
    return f"references:\n  feeds:\n    - {{{told}}}\n"


def test_a_feed_is_young_for_its_heartbeat_and_a_tenth_unless_told(tmp_path):
    (named,) = load(tmp_path, feed()).references_named(1).feeds
    assert (named.max_age_s, named.deviation_bps) == (3_960, 50)
    (named,) = load(tmp_path, feed(max_age="2h", deviation="1%")).references_named(1).feeds
    assert (named.max_age_s, named.deviation_bps) == (7_200, 100)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"heartbeat": ""}, "references.feeds[0].heartbeat: missing: how often it answers"),
        ({"heartbeat": "0s"}, "references.feeds[0].heartbeat: must be above 0s"),
        ({"heartbeat": "3d"}, "references.feeds[0].heartbeat: must be above 0s and at most 2d"),
        ({"max_age": "59m"}, "max_age must be between one and two heartbeats"),
        ({"max_age": "3h"}, "max_age must be between one and two heartbeats"),
        ({"deviation": "3%"}, "references.feeds[0].deviation: must be above 0 and at most 2%"),
        ({"quote": f'"{WETH}"'}, "base and quote must be two tokens"),
        ({"hearbeat": "1h"}, "unknown field; did you mean heartbeat?"),
    ],
    ids=str,
)
def test_an_absurd_feed_is_refused_by_line_and_field(tmp_path, fields, says):
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, feed(**fields))
    assert says in str(refused.value)
    assert "signer.yaml:" in str(refused.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("twap_window: 179s\n", "twap_window: must be 3m to 1d"),
        ("twap_window: 2d\n", "twap_window: must be 3m to 1d"),
        ("twap_window: 3m\nblock_time: 20s\n", "twap_window: must be at least 5m, 15 blocks of 20s"),
        ("swap_tolerance: 0%\n", "swap_tolerance: must be above 0 and at most 1%"),
        ("swap_tolerance: 1.01%\n", "swap_tolerance: must be above 0 and at most 1%"),
        ("max_share_of_depth: 101%\n", "max_share_of_depth: must be above 0 and at most 100%"),
        ("max_spot_from_twap: 20.02%\n", "max_spot_from_twap: must be at most 20%"),
        ("max_spot_from_twap_withdrawing: 901%\n", "max_spot_from_twap_withdrawing: must be at most 900%"),
        ("max_observation_age: 0s\n", "max_observation_age"),
    ],
    ids=str,
)
def test_absurd_bounds_on_prices_are_refused_by_line_and_field(tmp_path, more, says):
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, more)
    assert says in str(refused.value)
    assert f"signer.yaml:{FILE.count(chr(10)) + 1}:" in str(refused.value)


def test_a_window_of_15_blocks_is_enough_where_blocks_are_slow(tmp_path):
    assert load(tmp_path, "twap_window: 5m\nblock_time: 20s\n").twap_window == 300


def test_only_the_devnet_may_price_a_pair_by_one_pool_without_saying_so(tmp_path):
    assert load(tmp_path).references_named(31_337).may_be_single
    public = FILE.replace("chain: 31337", "chain: 1") + f"policies: {{one: {'ab' * 32}}}\n"
    assert not load(tmp_path, text=public).references_named(1).may_be_single
    assert load(tmp_path, "single_reference: true\n", public).references_named(1).may_be_single
