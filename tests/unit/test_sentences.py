"""Every decision has a sentence of its own, with and without its book's policy."""

from typing import get_args

import msgspec
import pytest
from any_message import structs
from builders import policy
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.messages.base import BlockRef, Cause, Price
from pipeline.messages.decisions import (
    AnyDecision,
    ChainStalled,
    Declined,
    PlanOpened,
    PlanRevised,
    ProposalTried,
    RebalanceProposed,
)
from pipeline.messages.dry_run import DryRun, DryRunStep, Inventory, NewPosition
from pipeline.messages.goals import RerangeGoal
from streams.cli.record_fields import fields_of, with_stated_type
from streams.cli.sentences import sentence
from streams.kafka.codec import decode_output, encode

AT = BlockRef(number=7, hash="0x7", parent_hash="0x6", timestamp_s=7)
CAUSE = Cause(shard=0, offset=1, block=AT)
INVENTORY = Inventory(
    holdings=(),
    base_amount=10**18,
    quote_amount=10**9,
    value_quote=4 * 10**9,
    price=Price(numerator=1, denominator=1),
    base_share_bps=4_100,
    deviation_bps=-900,
)


@pytest.mark.parametrize("kind", get_args(AnyDecision), ids=lambda kind: kind.__name__)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_decision_has_one(kind, data):
    said = data.draw(structs(kind))
    if isinstance(said, PlanOpened | PlanRevised):  # a range of the curve, as every opened plan has
        terms = data.draw(
            st.sampled_from([{"tick_lower": "-10", "tick_upper": "20"}, {"shares": ("1", "2")}])
        )
        said = msgspec.structs.replace(said, goal=RerangeGoal(venue="toy", terms=terms))
    if isinstance(said, ProposalTried):
        said = msgspec.structs.replace(said, run=DryRun(outcome="refused", reason="band: inside_band"))
    for known in (None, policy()):
        text = sentence(said, known)
        assert text
        assert text != kind.__name__


def proposal(base_to_buy: int) -> RebalanceProposed:
    return RebalanceProposed(
        id="reb.0.1.a",
        because_of=CAUSE,
        book="alpha",
        policy_version="v1",
        trigger="share_outside_band",
        base_amount=1,
        quote_amount=1,
        value_quote=1,
        price=Price(numerator=1, denominator=1),
        base_share_bps=4_040,
        target_share_bps=5_000,
        deviation_bps=-960,
        base_to_buy=base_to_buy,
        out_of_range_s=0,
    )


def test_a_standstill_names_its_cause():
    said = ChainStalled(id="alert", because_of=CAUSE, age_s=60, cause="eth_getLogs: HTTP 503, for 58 s")
    assert (
        sentence(said, None) == "nothing newer than the shard's head for 1m: eth_getLogs: HTTP 503, for 58 s"
    )


def test_a_trade_has_its_side_and_its_unit():
    assert sentence(proposal(5 * 10**18), policy()).endswith("would buy 5.0000 WETH")
    assert sentence(proposal(-15 * 10**17), policy()).endswith("would sell 1.5000 WETH")
    assert sentence(proposal(-15), None) == "alpha: share 40.4%: would sell 15 raw"


def test_a_re_range_with_a_step_of_the_hedge_tells_the_whole_trade_and_the_debt():
    for borrowed, of_hedge in ((2 * 10**18, "2.0000 WETH more borrowed"), (-(10**18), "1.0000 WETH repaid")):
        said = msgspec.structs.replace(proposal(-15 * 10**17), base_to_borrow=borrowed)
        assert sentence(said, policy()).endswith(
            f"would sell 1.5000 WETH in all, with {of_hedge} for its hedge"
        )


def test_a_refusal_names_what_it_hangs_on():
    said = Declined(
        id="dec.0.1.a",
        because_of=CAUSE,
        book="alpha",
        policy_version="v1",
        gate="observed",
        reason="not_observed",
        item="pool/0x1",
    )
    assert sentence(said, policy()) == "alpha: does nothing, pool/0x1 has not been read yet"


def test_a_dry_run_tells_cost_range_and_shares():
    after = msgspec.structs.replace(INVENTORY, value_quote=3_990 * 10**6, base_share_bps=5_010)
    run = DryRun(
        outcome="done",
        steps=(DryRunStep(step="mint", at_block=8, succeeded=True, gas_used=1, cost_wei=2 * 10**15),),
        new_positions=(NewPosition(venue="uniswap_v3", terms={"tick_lower": "-10", "tick_upper": "20"}),),
        before=INVENTORY,
        after=after,
    )
    said = ProposalTried(
        id="dry.0.1.a", because_of=CAUSE, book="alpha", policy_version="v1", proposal="a", at=AT, run=run
    )
    text = sentence(said, policy())
    for part in (
        "a dry-run of block 7 is done: 1 transaction, 0.002000 coin of gas",
        "new range ",
        "(ticks -10..20)",
        "value 10.0000 USDC lower, gas included",
        "share 41% before, 50.1% after",
    ):
        assert part in text, (part, text)


@pytest.mark.parametrize("kind", get_args(AnyDecision), ids=lambda kind: kind.__name__)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_a_decision_whose_version_was_set_apart_is_read_again(kind, data):
    said = data.draw(structs(kind))
    assert decode_output(msgspec.json.encode(with_stated_type(fields_of(encode(said))))) == said
