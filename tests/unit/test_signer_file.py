"""A signer's file: required and forbidden fields, and the defaults of its chain."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from contracts_abi.chains import known_chains
from pipeline.errors import SettingsError
from pipeline.messages.sequencer import SequencerFeed
from streams.chain_numbers import numbers_of
from streams.submit.signer_file import load_signer_file

VERSION = "ab" * 32
FILE = f"""\
chain: 1
keystore: key.json
password_file: password
pools: ["0x{"e1" * 20}"]
policies: {{eth-usdc: {VERSION}}}
budget_token: "0x{"a2" * 20}"
max_loss_per_day: 300
max_notional: 50000
max_notional_per_day: 500000
"""
MANDATORY = ("policies", "budget_token", "max_loss_per_day", "max_notional", "max_notional_per_day")
DECIMALS = {"0x" + "a2" * 20: 6, "0x" + "a1" * 20: 18}
WRAPPED = "0x" + "c1" * 20


def load(tmp_path: Path, text: str):
    path = tmp_path / "signer.yaml"
    path.write_text(text)
    return load_signer_file(path)


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text)
    return str(refused.value).replace(f"{tmp_path}/", "")


def test_a_file_becomes_limits_in_the_budgets_smallest_units(tmp_path):
    limits = load(tmp_path, FILE).limits((), DECIMALS, wrapped_native=WRAPPED)
    assert limits.policies == {"eth-usdc": VERSION}
    budget = limits.budget
    assert (budget.max_loss_per_day, budget.max_notional) == (300 * 10**6, 50_000 * 10**6)
    assert (budget.max_notional_per_day, budget.max_actions_per_hour) == (500_000 * 10**6, 12)
    fine = load(tmp_path, FILE.replace("300", "300.0000009")).limits((), DECIMALS, wrapped_native=WRAPPED)
    assert fine.budget == budget, "rounded down"
    assert load(tmp_path, FILE).max_loss_per_day == Decimal(300)


def test_what_may_stand_is_named_by_token(tmp_path):
    text = FILE + f'standing_allowances: {{"0x{"a1" * 20}": 0.5, "0x{"a2" * 20}": 2000}}\n'
    limits = load(tmp_path, text).limits((), DECIMALS, wrapped_native=WRAPPED)
    assert limits.standing_allowances == {"0x" + "a1" * 20: 10**18 // 2, "0x" + "a2" * 20: 2_000 * 10**6}
    assert load(tmp_path, text).counted_tokens().keys() == DECIMALS.keys()
    assert load(tmp_path, FILE).limits((), DECIMALS, wrapped_native=WRAPPED).standing_allowances == {}


def test_what_must_go_privately_takes_a_relay_whose_bytes_stay_private(tmp_path):
    def stays_private(more: str) -> bool:
        return load(tmp_path, FILE + more).limits((), DECIMALS, wrapped_native=WRAPPED).stays_private

    relay = "send_url: https://relay.example/key\n"
    assert not stays_private("")
    assert stays_private(relay)
    assert not stays_private(relay + "public_after_blocks: 5\n")


@pytest.mark.parametrize("field", MANDATORY)
def test_a_budget_and_the_policies_must_be_named(tmp_path, field):
    line = next(line for line in FILE.splitlines() if line.startswith(f"{field}:"))
    assert f"signer.yaml:1:1: {field}: missing: " in complaint(tmp_path, FILE.replace(line + "\n", ""))


def test_on_a_devnet_the_policies_need_not_be_pinned(tmp_path):
    text = FILE.replace(f"policies: {{eth-usdc: {VERSION}}}\n", "").replace("chain: 1\n", "chain: 31337\n")
    assert load(tmp_path, text).limits((), DECIMALS, wrapped_native=WRAPPED).policies is None


WRONG = {
    VERSION: {"abc": "5:22: policies.eth-usdc: must be a policy's whole version, 64 hex digits"},
    f"{{eth-usdc: {VERSION}}}": {"{}": "5:11: policies: must name at least 1 book"},
    "max_loss_per_day: 300\n": {
        "max_loss_per_day: 0\n": "7:19: max_loss_per_day: ",
        "max_loss_per_day: -1\n": "7:19: max_loss_per_day: ",
        "max_loss_per_day: nan\n": "7:19: max_loss_per_day: ",
        "max_loss_per_day: 1e40\n": "7:19: max_loss_per_day: ",
        "max_loss_per_day: 50001\n": "7:19: max_loss_per_day: 50001 is more than a tenth of max_notional_per_day",
    },
    "max_notional: 50000\n": {
        "max_notional: 500001\n": "9:23: max_notional_per_day: 500000 is less than max_notional, 500001",
        "max_notional: 0\n": "8:15: max_notional: ",
    },
}
ABSURD = {
    "max_actions_per_hour: 0": "max_actions_per_hour: ",
    "max_actions_per_hour: 1001": "max_actions_per_hour: ",
    "max_loss: 11%": "max_loss: must be above 0 and at most 10%",
    "twap_window: 2d": "twap_window: must be 3m to 1d",
    "max_gas_limit: 20999": "max_gas_limit: ",
    "max_gas_ether: 0": "max_gas_ether: 0 is not above 0 and up to 10",
    "max_gas_ether: 11": "max_gas_ether: 11 is not above 0 and up to 10",
    "max_gas_ether: 2": "max_gas_ether: more than max_gas_ether_per_day, 1",
    "max_gas_ether_per_day: 101": "max_gas_ether_per_day: 101 is not above 0 and up to 100",
    "gas_reserve_ether: 101": "gas_reserve_ether: 101 is not",
    "max_transactions_per_day: 10001": "max_transactions_per_day: ",
    "max_deadline: 23s": "max_deadline: 23s is not within 24s, two blocks, and an hour",
    "max_deadline: 61m": "max_deadline: 1h1m is not within",
    "max_fee_gwei: 0": "max_fee_gwei: is not above 0 and up to 10000",
    "max_fee_gwei: 10001": "max_fee_gwei: is not above 0 and up to 10000",
    "cancel_max_fee_gwei: 223": "cancel_max_fee_gwei: must be at least 12% above max_fee_gwei",
    "cancel_max_fee_gwei: 20001": "cancel_max_fee_gwei: must be at least 12% above max_fee_gwei and at most 20000",
    "min_tip_gwei: 21": "max_tip_gwei: is not within min_tip_gwei",
    "max_tip_gwei: 201": "max_tip_gwei: is not within min_tip_gwei",
    "max_age_blocks: 0": "max_age_blocks: ",
    "max_age_blocks: 301": "max_age_blocks: 301 blocks of 12 s are longer than an hour",
    "bump_after_blocks: 0": "bump_after_blocks: ",
    "bump_after_blocks: 400": "bump_after_blocks: 400 blocks of 12 s are longer than an hour",
    "final_depth_blocks: 32": "final_depth_blocks: 32 is less than half of the 65 blocks",
    "final_depth_blocks: 10001": "final_depth_blocks: ",
    "block_time: 0s": "block_time: 0s is not within 1s to 60s",
    "block_time: 2m": "block_time: 2m is not within 1s to 60s",
    "block_time: 21s": "twap_window: must be at least 5m15s, 15 blocks of 21s",
}


@pytest.mark.parametrize(
    ("old", "new", "says"), [(old, new, says) for old, to in WRONG.items() for new, says in to.items()]
)
def test_what_contradicts_itself_is_told_by_line_and_field(tmp_path, old, new, says):
    assert f"signer.yaml:{says}" in complaint(tmp_path, FILE.replace(old, new))


@pytest.mark.parametrize(("line", "says"), ABSURD.items())
def test_what_limits_nothing_or_lets_nothing_pass_is_told_by_line_and_field(tmp_path, line, says):
    told = complaint(tmp_path, f"{FILE}{line}\n")
    assert says in told
    field = line.partition(":")[0]
    assert re.search(
        rf"signer.yaml:10:\d+: {field}: " if says.startswith(field) else "signer.yaml:1:1: ", told
    )


@pytest.mark.parametrize("chain_id", [1, 10, 137, 8453, 42_161, 31_337, 7])
def test_what_is_not_named_follows_from_the_chain(tmp_path, chain_id):
    text = FILE.replace("chain: 1\n", f"chain: {chain_id}\n")
    limits, chain = load(tmp_path, text).limits((), DECIMALS, wrapped_native=WRAPPED), numbers_of(chain_id)
    assert (limits.block_s, limits.final_depth_blocks) == (chain.block_s, chain.final_depth_blocks)
    assert (limits.bump_after_blocks, limits.max_age_blocks) == (
        chain.bump_after_blocks,
        chain.max_age_blocks,
    )
    assert (limits.data_fee, limits.cancel_gas) == (chain.data_fee, chain.cancel_gas)
    named = load(tmp_path, f"{text}max_age_blocks: 7\nbump_after_blocks: 8\nblock_time: 6s\n")
    limits = named.limits((), DECIMALS, wrapped_native=WRAPPED)
    assert (limits.max_age_blocks, limits.bump_after_blocks, limits.block_s) == (7, 8, 6)


def test_chains_that_pay_for_their_data_elsewhere_are_known():
    assert {n: numbers_of(n).data_fee for n in (1, 10, 8453, 42_161)} == {
        1: "none",
        10: "fee",
        8453: "fee",
        42_161: "gas",
    }


def test_the_uptime_feed_is_the_chains_unless_the_file_names_another(tmp_path):
    other = "0x" + "f1" * 20
    base = FILE.replace("chain: 1\n", "chain: 8453\n")
    known = known_chains()[8_453].sequencer
    assert load(tmp_path, FILE).uptime_feed() is None
    assert load(tmp_path, base).uptime_feed() == SequencerFeed(feed=known.uptime_feed)
    limits = load(tmp_path, base + "sequencer: {grace: 2h}\n").limits((), DECIMALS, wrapped_native=WRAPPED)
    assert limits.sequencer == SequencerFeed(feed=known.uptime_feed, grace_s=7_200)
    named = load(tmp_path, FILE + f'sequencer: {{uptime_feed: "{other}"}}\n').uptime_feed()
    assert named == SequencerFeed(feed=other, grace_s=3_600)
    assert "sequencer.grace: no uptime feed is known for chain 1" in complaint(
        tmp_path, FILE + "sequencer: {grace: 2h}\n"
    )
