"""Fee offers for a nonce: within caps, at least 12 % more on both fees for a bump, and cancellations at last."""

import pytest
from intents import GWEI, SIGNER, attempt, block, intent
from msgspec.structs import replace

from pipeline.messages.journal import NO_CHARGE, SendRefusal
from pipeline.sign.gas_fees import (
    FeeCaps,
    FeeMarket,
    FeeRules,
    Replace,
    Resend,
    Stop,
    bumped_fees,
    due,
    first_fees,
)
from pipeline.sign.nonces import Account, add_attempt, bind, mark_refused, mark_sent, new_account

RULES = FeeRules(
    bump_after_blocks=3,
    max_fee_per_gas_wei=100 * GWEI,
    cancel_max_fee_per_gas_wei=150 * GWEI,
    max_tip_wei=20 * GWEI,
    max_gas_wei=10**18,
    max_gas_wei_per_day=10**19,
)
CALM = FeeMarket(base_fee_wei=10 * GWEI, tip_wei=GWEI)
STORM = FeeMarket(base_fee_wei=200 * GWEI, tip_wei=GWEI)


def sent(*names: int, at: int = 100, **changes: object) -> Account:
    account = new_account(SIGNER, 0)
    for name in names:
        account = bind(account, intent(name, **changes), attempt(name), block(100), NO_CHARGE)
        account = mark_sent(account, f"0x{name:064x}", at)
    return account


def caps(max_fee_wei: int, tip_gwei: int = 20) -> FeeCaps:
    return FeeCaps(max_fee_wei=max_fee_wei, tip_wei=tip_gwei * GWEI)


def offered(account: Account, number: int) -> dict[int, str]:
    return {bound.nonce: block(number).hash for bound in account.nonces}


def test_the_first_offer_is_the_base_fee_twice_and_the_tip():
    fees = first_fees(CALM, caps(100 * GWEI))
    assert (fees.max_fee_wei, fees.tip_wei) == (21 * GWEI, GWEI)


@pytest.mark.parametrize(("cap_gwei", "max_fee_gwei"), [(21, 21), (20, 20), (11, 11), (10, None)])
def test_the_first_offer_keeps_within_its_cap_or_is_not_made(cap_gwei, max_fee_gwei):
    fees = first_fees(CALM, caps(cap_gwei * GWEI))
    assert (fees and fees.max_fee_wei // GWEI) == max_fee_gwei


def test_a_bump_is_12_percent_on_both_or_what_the_chain_asks():
    fees = bumped_fees(attempt(1), CALM, caps(100 * GWEI))
    assert (fees.max_fee_wei, fees.tip_wei) == (33_600_000_000, 1_120_000_000)
    fees = bumped_fees(attempt(1), FeeMarket(base_fee_wei=40 * GWEI, tip_wei=3 * GWEI), caps(100 * GWEI))
    assert (fees.max_fee_wei, fees.tip_wei) == (83 * GWEI, 3 * GWEI)
    fees = bumped_fees(attempt(1), STORM, caps(100 * GWEI))
    assert (fees.max_fee_wei, fees.tip_wei) == (100 * GWEI, 1_120_000_000)
    assert bumped_fees(attempt(1), CALM, caps(33 * GWEI)) is None


def test_no_tip_is_above_its_own_cap_however_much_others_pay():
    crazy = FeeMarket(base_fee_wei=GWEI, tip_wei=198 * GWEI)
    fees = first_fees(crazy, caps(200 * GWEI, tip_gwei=5))
    assert (fees.max_fee_wei, fees.tip_wei) == (7 * GWEI, 5 * GWEI)
    fees = bumped_fees(attempt(1), crazy, caps(200 * GWEI, tip_gwei=5))
    assert fees.tip_wei == 5 * GWEI
    assert bumped_fees(attempt(1, tip_gwei=5), crazy, caps(200 * GWEI, tip_gwei=5)) is None


def test_a_cancellation_may_outbid_a_call_at_the_cap_of_tips():
    account = bind(
        new_account(SIGNER, 0),
        intent(1, deadline_s=block(104).timestamp_s),
        attempt(1, tip_gwei=20),
        block(100),
        NO_CHARGE,
    )
    (cancel,) = due(account, block(105), CALM, RULES, offered_at={})
    assert cancel.cancels
    assert 20 * GWEI < cancel.fees.tip_wei <= 40 * GWEI


def test_what_this_process_has_not_offered_is_sent_again_lowest_first():
    account = sent(1, 2)
    assert due(account, block(101), CALM, RULES, offered_at={}) == [
        Resend(nonce=0, attempt=account.nonces[0].attempts[0]),
        Resend(nonce=1, attempt=account.nonces[1].attempts[0]),
    ]
    assert due(account, block(101), CALM, RULES, offered_at=offered(account, 101)) == []
    assert len(due(account, block(102), CALM, RULES, offered_at=offered(account, 101))) == 2


def test_a_bump_is_due_by_age_from_broadcast_and_for_the_lowest_alone():
    account = sent(1, 2, at=105)
    assert due(account, block(107), CALM, RULES, offered_at=offered(account, 107)) == []
    (bump, _) = due(account, block(108), CALM, RULES, offered_at=offered(account, 107))
    assert isinstance(bump, Replace)
    assert (bump.nonce, bump.cancels) == (0, False)


def test_the_age_of_a_bump_begins_with_its_own_broadcast():
    account = add_attempt(sent(1), 0, attempt(11, max_fee_gwei=40, tip_gwei=2))
    account = mark_sent(account, f"0x{11:064x}", 109)
    (again,) = due(account, block(111), CALM, RULES, offered_at=offered(account, 110))
    assert isinstance(again, Resend)
    (bump,) = due(account, block(112), CALM, RULES, offered_at=offered(account, 111))
    assert isinstance(bump, Replace)


def refused(account: Account, name: int, kind: str) -> Account:
    refusal = SendRefusal(kind=kind, says=f"it says {kind}")
    return mark_refused(account, f"0x{name:064x}", refusal)


def test_what_a_node_calls_underpriced_is_bumped_once_it_had_a_block():
    account = add_attempt(sent(1), 0, attempt(11, max_fee_gwei=40, tip_gwei=2))
    account = refused(account, 11, "underpriced")
    assert due(account, block(109), CALM, RULES, offered_at=offered(account, 109)) == []
    (bump,) = due(account, block(110), CALM, RULES, offered_at=offered(account, 109))
    assert isinstance(bump, Replace)
    assert not bump.cancels


@pytest.mark.parametrize("kind", [None, "funds", "full"])
def test_what_no_node_ever_took_is_offered_again_as_it_is_however_long(kind):
    account = bind(
        new_account(SIGNER, 0),
        intent(1, deadline_s=block(999).timestamp_s),
        attempt(1),
        block(100),
        NO_CHARGE,
    )
    if kind is not None:
        account = refused(account, 1, kind)
    for number in range(101, 200):
        assert due(account, block(number), CALM, RULES, offered_at=offered(account, number - 1)) == [
            Resend(nonce=0, attempt=account.nonces[0].attempts[0])
        ]


def test_the_age_of_what_a_node_lost_begins_when_it_takes_it_again():
    account = refused(sent(1, deadline_s=block(999).timestamp_s), 1, "full")
    (again,) = due(account, block(150), CALM, RULES, offered_at=offered(account, 149))
    assert isinstance(again, Resend)
    account = mark_sent(account, f"0x{1:064x}", 150)
    (again,) = due(account, block(152), CALM, RULES, offered_at=offered(account, 151))
    assert isinstance(again, Resend)
    (bump,) = due(account, block(153), CALM, RULES, offered_at=offered(account, 152))
    assert isinstance(bump, Replace)


def test_a_bump_that_no_node_takes_leaves_its_predecessor_on_offer():
    account = add_attempt(sent(1, deadline_s=block(999).timestamp_s), 0, attempt(11, max_fee_gwei=40))
    for kind in ("funds", "full", "invalid"):
        found = due(refused(account, 11, kind), block(150), CALM, RULES, offered_at={})
        assert [each.attempt.max_fee_wei // GWEI for each in found] == [30, 40]
    taken = mark_sent(account, f"0x{11:064x}", 150)
    assert [
        each.attempt.max_fee_wei // GWEI for each in due(taken, block(151), CALM, RULES, offered_at={})
    ] == [40]


def test_an_older_call_is_not_offered_beside_a_cancellation():
    account = add_attempt(sent(1), 0, attempt(11, max_fee_gwei=40, cancels=True))
    (again,) = due(refused(account, 11, "full"), block(104), CALM, RULES, offered_at={})
    assert again.attempt.cancels


def test_what_no_node_will_ever_take_is_cancelled_and_its_nonce_used_up():
    account = bind(new_account(SIGNER, 0), intent(1), attempt(1), block(100), NO_CHARGE)
    account = bind(account, intent(2, after=f"{1:016x}"), attempt(2), block(100), NO_CHARGE)
    found = due(refused(account, 1, "invalid"), block(100), CALM, RULES, offered_at={})
    assert [(each.nonce, each.cancels) for each in found] == [(0, True), (1, True)]


def test_a_head_below_the_broadcast_makes_nothing_stuck():
    account = sent(1, at=110)
    assert due(account, block(104), CALM, RULES, offered_at=offered(account, 104)) == []


def test_an_own_cap_below_the_intents_counts():
    account = sent(1, max_fee_gwei=33)
    (again,) = due(account, block(103), CALM, RULES, offered_at=offered(account, 102))
    assert isinstance(again, Resend)
    (cancel,) = due(account, block(103), STORM, RULES, offered_at=offered(account, 102))
    assert cancel.cancels
    assert cancel.fees.max_fee_wei == 150 * GWEI


def test_without_room_for_a_bump_it_waits_while_the_next_block_can_still_take_it():
    account = sent(1, max_fee_gwei=33)
    market = FeeMarket(base_fee_wei=29 * GWEI, tip_wei=GWEI)
    (again,) = due(account, block(103), market, RULES, offered_at=offered(account, 102))
    assert isinstance(again, Resend)


def test_a_deadline_that_passed_is_cancelled_and_what_follows_with_it():
    account = new_account(SIGNER, 0)
    account = bind(account, intent(1, deadline_s=block(104).timestamp_s), attempt(1), block(100), NO_CHARGE)
    account = bind(account, intent(2, after=f"{1:016x}"), attempt(2), block(100), NO_CHARGE)
    account = bind(account, intent(3), attempt(3), block(100), NO_CHARGE)
    assert due(account, block(104), CALM, RULES, offered_at=offered(account, 104)) == []
    found = due(account, block(105), CALM, RULES, offered_at=offered(account, 105))
    assert [(each.nonce, each.cancels) for each in found] == [(0, True), (1, True)]


def test_once_cancelling_the_call_is_never_offered_again():
    account = mark_sent(sent(1), f"0x{1:064x}", 100)
    account = add_attempt(account, 0, attempt(11, max_fee_gwei=40, tip_gwei=2, cancels=True))
    account = mark_sent(account, f"0x{11:064x}", 103)
    (again,) = due(account, block(104), CALM, RULES, offered_at={})
    assert again.attempt.cancels
    (more,) = due(account, block(106), CALM, RULES, offered_at=offered(account, 105))
    assert isinstance(more, Replace)
    assert more.cancels


def test_a_stopped_book_is_not_bumped_but_cancelled():
    def found(number):
        account = sent(1)
        return due(
            account,
            block(number),
            CALM,
            RULES,
            offered_at=offered(account, number - 1),
            stop_of=lambda _: Stop(why="a test", cancels=False),
        )

    assert found(103)[0].cancels
    assert isinstance(found(102)[0], Resend)


def test_what_is_stopped_with_the_word_to_cancel_is_cancelled_at_once():
    account = bind(sent(1), intent(2), attempt(2), block(100), NO_CHARGE)
    stop = Stop(why="a test", cancels=True)
    found = due(account, block(100), CALM, RULES, offered_at=offered(account, 100), stop_of=lambda _: stop)
    assert [(each.nonce, each.cancels) for each in found] == [(0, True), (1, True)]


def test_what_a_process_has_not_offered_itself_is_not_bumped_before_it_had_a_block():
    account = sent(1, at=90)
    (again,) = due(account, block(103), CALM, RULES, offered_at={})
    assert isinstance(again, Resend)
    assert due(account, block(103), CALM, RULES, offered_at=offered(account, 103)) == []


def test_a_cancellation_beyond_its_own_cap_leaves_the_bytes_running():
    account = sent(1, deadline_s=block(101).timestamp_s)
    rules = replace(RULES, cancel_max_fee_per_gas_wei=30 * GWEI)
    (again,) = due(account, block(105), CALM, rules, offered_at={})
    assert isinstance(again, Resend)


def test_what_was_made_from_what_a_reorg_has_undone_is_cancelled():
    """Both wait again: the first is sent as it is, the second was sized for what the first had brought."""
    account = new_account(SIGNER, 0)
    for name, after, number in ((1, None, 100), (2, f"{1:016x}", 102), (3, f"{2:016x}", 102)):
        account = bind(
            account, intent(name, after=after, made_at=block(number)), attempt(name), block(number), NO_CHARGE
        )
        account = mark_sent(account, f"0x{name:064x}", 103)
    found = due(account, block(103), CALM, RULES, offered_at={})
    assert [type(each) for each in found] == [Resend, Replace, Replace]
    assert [each.nonce for each in found if isinstance(each, Replace) and each.cancels] == [1, 2]


def test_what_was_made_together_waits_together():
    account = new_account(SIGNER, 0)
    for name, after in ((1, None), (2, f"{1:016x}")):
        account = bind(
            account, intent(name, after=after, made_at=block(100)), attempt(name), block(100), NO_CHARGE
        )
        account = mark_sent(account, f"0x{name:064x}", 101)
    found = due(account, block(101), CALM, RULES, offered_at={})
    assert [type(each) for each in found] == [Resend, Resend]


# ------------------------------------------------------------------ what a nonce and a day may cost
GAS = 200_000


def test_a_bump_never_takes_a_transaction_beyond_its_gas():
    account = sent(1)
    for most_gwei, offered_gwei in ((40, 40), (34, 34), (33, None)):
        rules = replace(RULES, max_gas_wei=GAS * most_gwei * GWEI)
        storm = FeeMarket(base_fee_wei=20 * GWEI, tip_wei=GWEI)
        (found,) = due(account, block(104), storm, rules, offered_at=offered(account, 103))
        if offered_gwei is None:
            assert isinstance(found, Resend), "no room: the bytes stay as they are, until their deadline"
        else:
            assert found.fees.max_fee_wei == offered_gwei * GWEI


def test_a_bump_never_takes_a_day_beyond_its_gas():
    account = sent(1, 2)
    spent_wei = 2 * GAS * 30 * GWEI
    for left_gwei, offered_gwei in ((10, 40), (3, None)):
        rules = replace(RULES, max_gas_wei_per_day=spent_wei + GAS * left_gwei * GWEI)
        storm = FeeMarket(base_fee_wei=20 * GWEI, tip_wei=GWEI)
        found, _ = due(account, block(104), storm, rules, offered_at=offered(account, 103))
        fees = found.fees.max_fee_wei if isinstance(found, Replace) else None
        assert fees == (offered_gwei and offered_gwei * GWEI)


def test_what_a_nonce_was_charged_pays_for_its_cancellation_on_a_day_that_is_used_up():
    account = sent(1, deadline_s=block(101).timestamp_s)
    rules = replace(RULES, max_gas_wei_per_day=GAS * 30 * GWEI)
    (found,) = due(account, block(104), CALM, rules, offered_at=offered(account, 103))
    assert isinstance(found, Replace)
    assert found.cancels
    assert 21_000 * found.fees.max_fee_wei < GAS * 30 * GWEI


def test_several_cancellations_at_once_share_what_the_day_has_left():
    account = sent(*range(1, 9), deadline_s=block(101).timestamp_s, gas_limit=21_000)
    charged_wei = sum(bound.attempts[0].gas_limit * 30 * GWEI for bound in account.nonces)
    market = FeeMarket(base_fee_wei=2_000 * GWEI, tip_wei=GWEI)
    rules = replace(RULES, cancel_max_fee_per_gas_wei=5_000 * GWEI, max_gas_wei_per_day=charged_wei * 2)
    found = due(account, block(104), market, rules, offered_at=offered(account, 103))
    most_wei = sum(max(21_000 * each.fees.max_fee_wei, GAS * 30 * GWEI) for each in found)
    assert most_wei <= charged_wei * 2
    assert len({each.fees.max_fee_wei for each in found}) > 1, "the later ones find less"
