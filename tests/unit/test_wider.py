"""Limits of a live book that are wider than a signer's file allows unless it names more."""

from builders import policy

from pipeline.messages.policy import Limits
from streams.cli.wider import wider_than_signers


def test_each_limit_that_is_wider_is_named_with_the_signers_own():
    wide = Limits(max_slippage_bps=200, swap_tolerance_bps=16, max_spot_from_twap_ticks=201, deadline_s=901)
    said = list(wider_than_signers(policy(mode="live", limits=wide)))
    names = ["max_slippage 2%", "swap_tolerance 0.16%", "max_spot_from_twap_ticks 201", "deadline"]
    assert [name in each for name, each in zip(names, said, strict=True)] == [True] * 4
    assert "max_loss, 1%" in said[0]


def test_as_wide_is_not_wider_and_a_book_that_does_not_act_needs_no_signer():
    same = Limits(max_slippage_bps=100, swap_tolerance_bps=15, max_spot_from_twap_ticks=200, deadline_s=900)
    assert not list(wider_than_signers(policy(mode="live", limits=same)))
    assert not list(wider_than_signers(policy(mode="dry-run", limits=Limits(max_slippage_bps=400))))
