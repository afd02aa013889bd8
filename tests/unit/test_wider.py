"""Limits of a live book that are wider than its signer's, or differ from the signer's file."""

from typing import Any

import pytest
from builders import BASE, POOL, QUOTE, STRANGER, policy
from msgspec import UNSET
from msgspec.structs import replace
from worlds.lending.chain import LENDING, OTHER, hedged

from pipeline.messages.policy import Limits
from pipeline.messages.sequencer import SequencerFeed
from pipeline.messages.signers_limits import SignersLimits
from streams.cli.wider_limits import wider_than_signers
from streams.submit.signer_file import SignerFile


def test_each_limit_that_is_wider_is_named_with_the_signers_own():
    wide = Limits(
        max_slippage_bps=200,
        swap_tolerance_bps=16,
        max_spot_from_twap_log_bps=201,
        deadline_s=901,
        signer=SignersLimits(
            max_loss_bps=101,
            max_share_of_depth_bps=1_001,
            twap_window_s=180,
            swap_tolerance_bps=16,
            max_gas_limit=5_000_001,
        ),
    )
    said = list(wider_than_signers(policy(mode="live", limits=wide)))
    names = ["max_slippage 2%", "swap_tolerance 0.16%", "max_spot_from_twap 2.03%", "deadline"]
    names += [
        "signer.max_loss 1.01%",
        "signer.max_share_of_depth 10.01%",
        "signer.swap_tolerance 0.16%",
        "signer.max_gas_limit 5000001",
        "signer.twap_window 3m",
    ]
    assert [name in each for name, each in zip(names, said, strict=True)] == [True] * 9
    assert "signer.max_loss, 1.01%" in said[0]
    assert all("unless its file says more" in each for each in said[1:])


def test_a_signers_own_file_is_what_counts_where_it_is_there():
    account, pool = "0x" + "1a" * 20, "0x" + "2b" * 20
    fields = {"chain": 31337, "devnet_account": account, "pools": [pool], "budget_token": pool}
    amounts = {"max_loss_per_day": 1, "max_notional": 1, "max_notional_per_day": 10}
    strict = SignerFile.model_validate(
        fields | amounts | {"max_share_of_depth": "5%", "twap_window": "10m", "max_gas_limit": 1_500_000}
    )
    says = list(wider_than_signers(policy(mode="live"), strict))
    assert [each.partition(" is ")[0] for each in says] == [
        "alpha: signer.max_share_of_depth 10%",
        "alpha: signer.max_gas_limit 5000000",
        "alpha: signer.twap_window 5m",
    ]
    assert "its signer's max_share_of_depth, 5%:" in says[0]
    roomy = SignerFile.model_validate(fields | amounts | {"max_loss": "3%"})
    stated = Limits(max_slippage_bps=200, signer=SignersLimits(max_loss_bps=300))
    assert not list(wider_than_signers(policy(mode="live", limits=stated), roomy))


def test_as_wide_is_not_wider_and_a_book_that_does_not_act_needs_no_signer():
    same = Limits(max_slippage_bps=100, swap_tolerance_bps=15, max_spot_from_twap_log_bps=200, deadline_s=900)
    assert not list(wider_than_signers(policy(mode="live", limits=same)))
    assert not list(wider_than_signers(policy(mode="dry-run", limits=Limits(max_slippage_bps=400))))


# ------------------------------------------------------------------ a hedge
ENTRY: dict[str, Any] = {
    "name": "lending",
    "kind": "aave_v3",
    "pool": LENDING,
    "tokens": {BASE: 5, QUOTE: 0},
    "least_health": "1.05",
    "shock": "30%",
}


def said_of_a_hedge(entry: dict[str, Any], budget_token: str = QUOTE, **hedge: Any) -> list[str]:
    """Hold a book that is hedged against a file, by what is said of the hedge."""
    fields: dict[str, Any] = {
        "chain": 31337,
        "devnet_account": "0x" + "1a" * 20,
        "pools": [POOL],
        "budget_token": budget_token,
    }
    amounts = {"max_loss_per_day": 1, "max_notional": 1, "max_notional_per_day": 10}
    file = SignerFile.model_validate(fields | amounts | {"venues": [ENTRY | entry]})
    usual = {"largest_debt": 5 * 10**18, "oracle_within_bps": 200}
    book = hedged(usual | hedge)
    return [
        says
        for says in wider_than_signers(book, file)
        if "refuse the hedge" in says or " lending" in says or "tokens" in says
    ]


def test_a_hedge_within_its_signers_entry_is_not_named() -> None:
    assert said_of_a_hedge({}) == []
    assert said_of_a_hedge({"shock": "36%"}) == [], "a shock beyond the gap is borne by the floor"
    assert said_of_a_hedge({}, floor_bps=12_000, gap_bps=2_000) == [], "and a smaller gap by a higher floor"


def test_a_shock_of_the_collateral_counts_where_the_quote_is_not_the_budgets_token() -> None:
    (says,) = said_of_a_hedge({}, budget_token=BASE)
    assert "asks for 1.7745" in says


@pytest.mark.parametrize(
    ("entry", "hedge", "says"),
    [
        ({"pool": "0x" + "99" * 20}, {}, "no entry of its signer's venues names the pool of lending"),
        ({"tokens": {QUOTE: 0}}, {}, f"{BASE} is none of the tokens of lending"),
        ({"tokens": {BASE: 5}}, {}, f"{QUOTE} is none of the tokens of lending"),
        (
            {"tokens": {BASE: 5, QUOTE: 0}},
            {"collateral": OTHER},
            f"{OTHER} is none of the tokens of lending",
        ),
        (
            {"tokens": {BASE: 5, OTHER: 0}},
            {"collateral": OTHER},
            "asks for 1.7745",  # its price moves against the budget's token too
        ),
        (
            {},
            {"largest_debt": 5 * 10**18 + 1},
            "hedge.largest_debt is not within what lending lets be owed, 5",
        ),
        ({}, {"largest_debt": None}, "hedge.largest_debt is not within what lending lets be owed, 5"),
        (
            {"least_health": "1.1001"},
            {},
            "hedge.floor 1.1000 with hedge.gap 30% leaves a health factor of 1.43; least_health 1.1001 with shock 30% of lending asks for 1.43013",
        ),
        ({}, {"gap_bps": 2_000}, "hedge.floor 1.1000 with hedge.gap 20% leaves a health factor of 1.32"),
        ({}, {"act_bps": 10_900}, "hedge.act leaves a health factor of 1.045, lending 1.05 at least"),
        ({"shock": "37%"}, {}, "least_health 1.05 with shock 37% of lending asks for 1.4385"),
        (
            {},
            {"oracle_within_bps": 201},
            "hedge.oracle_within of 2.01% is wider than the max_oracle_deviation of lending, 2%",
        ),
    ],
)
def test_a_hedge_beyond_its_signers_entry_is_named(
    entry: dict[str, Any], hedge: dict[str, Any], says: str
) -> None:
    assert any(says in each for each in said_of_a_hedge(entry, **hedge))


# ------------------------------------------------------------------ the sequencer
def said_of_the_sequencer(theirs: dict[str, str], ours: SequencerFeed | None, **entry: str) -> list[str]:
    """Hold a hedged book by its uptime feed against a file, by what is said of the sequencer."""
    fields: dict[str, Any] = {
        "chain": 31337,
        "devnet_account": "0x" + "1a" * 20,
        "pools": [POOL],
        "budget_token": QUOTE,
        "sequencer": theirs,
    }
    amounts = {"max_loss_per_day": 1, "max_notional": 1, "max_notional_per_day": 10}
    file = SignerFile.model_validate(fields | amounts | {"venues": [ENTRY | entry]})
    book = hedged({"largest_debt": 5 * 10**18, "oracle_within_bps": 200})
    book = replace(book, chain=replace(book.chain, sequencer=ours or UNSET))
    return [says for says in wider_than_signers(book, file) if "sequencer" in says]


def test_a_book_that_goes_by_its_signers_uptime_feed_for_as_long_is_not_named() -> None:
    feed = SequencerFeed(feed=STRANGER)
    assert said_of_the_sequencer({}, None) == []
    assert said_of_the_sequencer({"uptime_feed": STRANGER}, feed) == []
    assert said_of_the_sequencer({"uptime_feed": STRANGER, "grace": "30m"}, feed) == []
    assert said_of_the_sequencer({}, feed, shock="14%") == [], "its signer asks no feed"


def test_another_uptime_feed_a_longer_grace_and_an_emergency_that_its_signer_takes_for_none_are_named() -> (
    None
):
    feed = SequencerFeed(feed=STRANGER)
    (says,) = said_of_the_sequencer({"uptime_feed": STRANGER}, None)
    assert f"goes by the uptime feed {STRANGER} of its chain's sequencer, the policy by none" in says
    (says,) = said_of_the_sequencer({"uptime_feed": POOL}, feed)
    assert f"the policy by {STRANGER}" in says
    (says,) = said_of_the_sequencer({"uptime_feed": STRANGER, "grace": "61m"}, feed)
    assert "chain.sequencer.grace 1h is shorter than its signer's, 1h1m" in says
    (says,) = said_of_the_sequencer({"uptime_feed": STRANGER}, feed, shock="14%")
    assert (
        "hedge.act 1.2000: within a grace period of the sequencer lending lets collateral be traded" in says
    )
    assert "below 1.197 alone" in says
