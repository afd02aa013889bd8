"""Nonces and fee offers under any chain and fees: no gap, nothing above a cap, no bump below 12 %."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from intents import GWEI, SIGNER, attempt, block, intent

from pipeline.errors import ForeignNonceError
from pipeline.messages.journal import NO_CHARGE, Attempt, Inclusion
from pipeline.sign.budget import DAY_S, most_gas_wei, spent_within
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

weis = st.one_of(st.integers(0, 20), st.integers(0, 1_000 * GWEI), st.integers(0, 2**80))
markets = st.builds(FeeMarket, base_fee_wei=weis, tip_wei=weis)


caps = st.builds(FeeCaps, max_fee_wei=weis, tip_wei=weis)


@given(markets, caps)
def test_a_first_offer_reaches_the_next_block_within_its_caps_or_is_not_made(market, most):
    fees = first_fees(market, most)
    if fees is None:
        assert market.base_fee_wei + min(market.tip_wei, most.tip_wei) > most.max_fee_wei
    else:
        assert market.base_fee_wei + fees.tip_wei <= fees.max_fee_wei <= most.max_fee_wei
        assert fees.tip_wei <= most.tip_wei


@given(st.integers(0, 2**70), st.integers(0, 2**70), markets, caps)
def test_a_bump_outbids_on_both_fees_within_its_caps_or_is_not_made(max_fee_wei, tip_wei, market, most):
    last = Attempt(
        transaction_hash="0x",
        raw="0x",
        max_fee_wei=max(max_fee_wei, tip_wei),
        tip_wei=min(max_fee_wei, tip_wei),
        gas_limit=21_000,
    )
    fees = bumped_fees(last, market, most)
    if fees is None:
        no_room = last.max_fee_wei * 112 > most.max_fee_wei * 100 - 100
        assert no_room or last.tip_wei * 112 > most.tip_wei * 100 - 100
    else:
        assert fees.max_fee_wei * 100 >= last.max_fee_wei * 112
        assert fees.tip_wei * 100 >= last.tip_wei * 112
        assert last.tip_wei < fees.tip_wei <= fees.max_fee_wei <= most.max_fee_wei
        assert fees.tip_wei <= most.tip_wei


# ------------------------------------------------------------------ a chain that mines what it likes
@st.composite
def lives(draw) -> list[tuple[str, int]]:
    """Draw what happens: an intent is bound, an attempt added or sent, some are mined, some blocks go away."""
    return draw(
        st.lists(
            st.tuples(
                st.sampled_from(["bind", "bind", "bump", "send", "mine", "mine", "revert", "retire"]),
                st.integers(0, 9),
            ),
            max_size=60,
        )
    )


class Life:
    """An account beside a chain that includes any attempt of the next nonce."""

    def __init__(self) -> None:
        self.account: Account = new_account(SIGNER, 3)
        self.mined: list[Inclusion] = []
        self.gone = 0
        self.number = 100
        self.names = iter(range(1, 1_000))

    def do(self, act: str, choice: int) -> None:
        getattr(self, act)(choice)
        self.account = reconcile(self.account, self.view())

    def view(self) -> ChainView:
        included = {each.transaction_hash: each for each in self.mined}
        return ChainView(head=block(self.number), nonce=3 + len(self.mined), inclusions=included)

    def bind(self, _: int) -> None:
        name = next(self.names)
        self.account = bind(self.account, intent(name), attempt(name), block(self.number), NO_CHARGE)

    def bump(self, choice: int) -> None:
        if waiting := self.account.waiting():
            bound = waiting[choice % len(waiting)]
            more = attempt(next(self.names), max_fee_gwei=40, cancels=choice % 2 == 0)
            self.account = add_attempt(self.account, bound.nonce, more)

    def send(self, choice: int) -> None:
        if self.account.nonces:
            bound = self.account.nonces[choice % len(self.account.nonces)]
            self.account = mark_sent(self.account, bound.attempts[-1].transaction_hash, self.number)

    def mine(self, choice: int) -> None:
        self.number += 1
        place = len(self.mined) - self.gone
        if place < len(self.account.nonces):
            attempts = self.account.nonces[place].attempts
            self.mined.append(
                Inclusion(
                    transaction_hash=attempts[choice % len(attempts)].transaction_hash,
                    block_number=self.number,
                    block_hash=block(self.number).hash,
                    succeeded=True,
                    paid_wei=choice,
                )
            )

    def revert(self, choice: int) -> None:
        lost = min(choice % 3, len(self.mined) - self.gone)
        self.mined = self.mined[: len(self.mined) - lost]

    def retire(self, _: int) -> None:
        self.account, gone = retire(self.account, block(self.number), 3)
        self.gone += len(gone)
        assert all(bound.inclusion is not None for bound in gone)


@given(lives())
def test_an_account_has_no_gap_and_says_what_the_chain_says(acts):
    life = Life()
    for act, choice in acts:
        life.do(act, choice)
        account = life.account
        floor = account.standing.floor_nonce
        assert [bound.nonce for bound in account.nonces] == list(range(floor, account.next_nonce))
        assert [bound.nonce for bound in account.waiting()] == list(
            range(3 + len(life.mined), account.next_nonce)
        )
        assert account_of(account.standing, account.nonces) == account
        assert reconcile(account, life.view()) == account
        for bound in account.nonces:
            if status(bound) in {"mined", "cancelled"}:
                assert bound.inclusion in life.mined
    day = spent_within(life.account.standing, life.account.nonces, block(life.number).timestamp_s, DAY_S)
    assert day.gas_wei >= sum(each.paid_wei for each in life.mined)


@given(lives(), st.integers(1, 3))
def test_a_nonce_more_than_ours_is_never_overlooked(acts, more):
    life = Life()
    for act, choice in acts:
        life.do(act, choice)
    view = ChainView(
        head=block(life.number), nonce=life.account.next_nonce + more, inclusions=life.view().inclusions
    )
    try:
        reconcile(life.account, view)
    except ForeignNonceError:
        return
    raise AssertionError


gas = st.integers(0, 500_000 * 150 * GWEI)


@given(lives(), markets, st.booleans(), gas, gas)
def test_what_is_due_keeps_within_caps_and_starts_with_the_lowest(acts, market, stopped, most_wei, day_wei):
    life = Life()
    for act, choice in acts:
        life.do(act, choice)
    rules = FeeRules(
        bump_after_blocks=2,
        max_fee_per_gas_wei=90 * GWEI,
        cancel_max_fee_per_gas_wei=120 * GWEI,
        max_tip_wei=40 * GWEI,
        max_gas_wei=most_wei,
        max_gas_wei_per_day=day_wei,
    )
    offered = {bound.nonce: block(life.number - 1).hash for bound in life.account.nonces[::2]}
    stop = Stop(why="a test", cancels=False) if stopped else None
    found = due(life.account, block(life.number), market, rules, offered_at=offered, stop_of=lambda _: stop)
    waiting = {bound.nonce: bound for bound in life.account.waiting()}
    assert list(dict.fromkeys(each.nonce for each in found)) == sorted(waiting)
    newest = {each.nonce: each for each in found}
    assert len(found) - len(newest) <= sum(len(bound.attempts) > 1 for bound in waiting.values())
    for each in newest.values():
        bound = waiting[each.nonce]
        cancelling = any(version.cancels for version in bound.attempts)
        if isinstance(each, Resend):
            assert each.attempt == bound.attempts[-1]
            continue
        assert isinstance(each, Replace)
        assert each.fees.max_fee_wei <= (120 if each.cancels else 90) * GWEI
        assert each.cancels or not (cancelling or stopped)
    _costs_no_more_than_it_may(life, found, rules)


def _costs_no_more_than_it_may(life, found, rules):
    """Whatever is signed now, no nonce and no day goes beyond its gas, but for what was offered before."""
    head_s, account = block(life.number).timestamp_s, life.account
    before = spent_within(account.standing, account.nonces, head_s, DAY_S).gas_wei
    was = {bound.nonce: most_gas_wei(bound) for bound in account.nonces}
    for each in found:
        if isinstance(each, Replace):
            version = msgspec.structs.replace(
                attempt(2_000 + each.nonce, cancels=each.cancels),
                max_fee_wei=each.fees.max_fee_wei,
                gas_limit=21_000 if each.cancels else 200_000,
            )
            account = add_attempt(account, each.nonce, version)
    for bound in account.nonces:
        assert most_gas_wei(bound) <= max(rules.max_gas_wei, was[bound.nonce])
    after = spent_within(account.standing, account.nonces, head_s, DAY_S).gas_wei
    assert after <= max(before, rules.max_gas_wei_per_day)
