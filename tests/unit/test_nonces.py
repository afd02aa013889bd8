"""The nonces of one signer: bound, sent, included, removed by a reorg, final, or used by somebody else."""

import msgspec
import pytest
from intents import GWEI, SIGNER, attempt, block, intent

from pipeline.errors import ForeignNonceError, JournalError
from pipeline.messages.journal import NO_CHARGE, Charge, Inclusion
from pipeline.sign.budget import DAY_S, spent_within
from pipeline.sign.nonces import (
    Account,
    ChainView,
    account_of,
    add_attempt,
    bind,
    mark_sent,
    new_account,
    reconcile,
    retire,
    status,
)

USDC = "0x" + "a2" * 20


def included(name: int, number: int, *, paid_wei: int = 5) -> dict[str, Inclusion]:
    hash_ = f"0x{name:064x}"
    return {
        hash_: Inclusion(
            transaction_hash=hash_,
            block_number=number,
            block_hash=block(number).hash,
            succeeded=True,
            paid_wei=paid_wei,
        )
    }


def view(number: int, nonce: int, inclusions: dict[str, Inclusion] | None = None) -> ChainView:
    return ChainView(head=block(number), nonce=nonce, inclusions=inclusions or {})


def bound(*names: int) -> Account:
    account = new_account(SIGNER, 4)
    for name in names:
        account = bind(account, intent(name), attempt(name), block(100), NO_CHARGE)
    return account


def test_an_intent_gets_the_next_nonce_and_goes_through_its_states():
    account = bound(1, 2)
    assert [each.nonce for each in account.nonces] == [4, 5]
    assert account.next_nonce == 6
    assert [status(each) for each in account.nonces] == ["signed", "signed"]

    account = mark_sent(account, f"0x{1:064x}", 100)
    assert [status(each) for each in account.nonces] == ["sent", "signed"]
    assert account.nonces[0].attempts[0].sent_at_block == 100

    account = reconcile(account, view(101, 5, included(1, 101)))
    assert [status(each) for each in account.nonces] == ["mined", "signed"]
    assert [each.nonce for each in account.waiting()] == [5]


def test_the_first_broadcast_counts_not_a_later_one():
    account = mark_sent(mark_sent(bound(1), f"0x{1:064x}", 100), f"0x{1:064x}", 107)
    assert account.nonces[0].attempts[0].sent_at_block == 100


def test_a_transaction_whose_block_goes_away_waits_again():
    account = mark_sent(bound(1), f"0x{1:064x}", 100)
    account = reconcile(account, view(101, 5, included(1, 101)))
    account = reconcile(account, view(103, 4))
    assert status(account.nonces[0]) == "sent"
    assert account.nonces[0].attempts[0].sent_at_block == 103  # its age begins anew
    assert account.next_nonce == 5


def test_every_version_of_a_nonce_counts_as_ours():
    account = add_attempt(bound(1), 4, attempt(11, max_fee_gwei=40, tip_gwei=2))
    account = reconcile(account, view(102, 5, included(1, 102)))
    assert account.nonces[0].inclusion.transaction_hash == f"0x{1:064x}"
    assert status(account.nonces[0]) == "mined"


def test_a_mined_cancellation_is_no_success():
    account = add_attempt(bound(1), 4, attempt(11, max_fee_gwei=40, tip_gwei=2, cancels=True))
    assert status(reconcile(account, view(102, 5, included(11, 102))).nonces[0]) == "cancelled"


def test_a_nonce_used_beyond_the_journal_halts():
    with pytest.raises(ForeignNonceError, match="used nonce 5, but nothing was signed here from nonce 5 on"):
        reconcile(bound(1), view(101, 6, included(1, 101)))


def test_a_nonce_used_by_none_of_our_versions_halts():
    with pytest.raises(ForeignNonceError, match="used nonce 4, but by none of the 1"):
        reconcile(bound(1), view(101, 5))


def test_another_chain_halts():
    with pytest.raises(ForeignNonceError, match="at nonce 3 although 4 were used and final"):
        reconcile(bound(), view(101, 3))


def test_a_receipt_newer_than_the_nonce_waits_for_the_next_look():
    account = bound(1)
    assert reconcile(account, view(101, 4, included(1, 101))) == account


def test_only_deep_nonces_retire_and_lowest_first():
    account = reconcile(bound(1, 2), view(120, 6, included(1, 110) | included(2, 104)))
    same, gone = retire(account, block(120), 12)
    assert (same, gone) == (account, ())

    left, gone = retire(account, block(122), 12)
    assert [each.nonce for each in gone] == [4, 5]
    assert left.next_nonce == account.next_nonce == 6


def day(account, number):
    return spent_within(account.standing, account.nonces, block(number).timestamp_s, DAY_S)


def test_a_day_counts_what_was_paid_and_what_may_still_be_paid():
    account = bound(1, 2)
    most_wei = 2 * 200_000 * 30 * GWEI
    assert day(account, 100).gas_wei == most_wei
    assert day(account, 100).transactions == 2

    account = reconcile(account, view(101, 5, included(1, 101, paid_wei=77)))
    assert day(account, 100).gas_wei == 77 + most_wei // 2

    retired, _ = retire(account, block(200), 65)
    assert day(retired, 200) == day(account, 200)


def test_a_charge_leaves_the_window_by_its_age_alone_and_not_at_midnight():
    charge = Charge(token=USDC, loss=3, notional=1_000, actions=1)
    account = bind(new_account(SIGNER, 4), intent(1), attempt(1), block(100), charge)
    account = reconcile(account, view(101, 5, included(1, 101)))
    retired, _ = retire(account, block(200), 65)
    blocks_a_day = DAY_S // 12
    for number in (200, 100 + blocks_a_day - 1):
        assert day(retired, number).loss == day(account, number).loss == 3
        assert day(retired, number).notional == 1_000
    assert day(retired, 100 + blocks_a_day).loss == 0


def test_what_is_in_no_block_counts_however_old_it_is():
    charge = Charge(token=USDC, loss=3, notional=1_000, actions=1)
    account = bind(new_account(SIGNER, 4), intent(1), attempt(1), block(100), charge)
    assert day(account, 100_000).loss == 3


def test_what_is_signed_on_one_head_is_kept_as_one_sum():
    charge = Charge(token=USDC, loss=3, notional=1_000, actions=1)
    account = new_account(SIGNER, 4)
    for name in (1, 2, 3):
        account = bind(account, intent(name), attempt(name), block(100 + name // 3), charge)
    chain = included(1, 103) | included(2, 103) | included(3, 103)
    account = reconcile(account, ChainView(head=block(103), nonce=7, inclusions=chain))
    retired, _ = retire(account, block(200), 65)
    assert [(each.transactions, each.loss) for each in retired.standing.spent] == [(2, 6), (1, 3)]
    assert day(retired, 200).loss == 9


def test_old_charges_are_forgotten():
    account = reconcile(bound(1), view(101, 5, included(1, 101)))
    far = msgspec.structs.replace(block(100_000), timestamp_s=block(0).timestamp_s + 10 * 86_400)
    retired, _ = retire(account, far, 65)
    assert retired.standing.spent == ()


def test_a_journal_with_a_hole_is_refused():
    account = bound(1, 2, 3)
    with pytest.raises(JournalError, match="has nonce 6 where 5 must be"):
        account_of(account.standing, [account.nonces[2], account.nonces[0]])
    assert account_of(account.standing, reversed(account.nonces)) == account
