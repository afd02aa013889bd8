"""The events, and their order, that lead from the policies in force to those of a file."""

import msgspec
import pytest

from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.events import PolicyRemoved, PolicySet
from pipeline.messages.policy import Policy, TargetBand, TokenSpec
from streams.kafka.topics import shard_of
from streams.policy_rollout import RolloutStep, steps_to
from streams.portfolio import publishing

PARTITIONS = 4
CHAIN = ChainProfile(chain_id=5, wrapped_native="0xw", position_manager="0xm", factory="0xf")
TOKENS = (TokenSpec(address="0xb", symbol="B", decimals=18), TokenSpec(address="0xq", symbol="Q", decimals=6))


def book(name: str, *publishes: str, owner: str | None = None, cooldown_s: int = 60) -> Policy:
    policy = Policy(
        book=name,
        chain=CHAIN,
        owner=owner or f"0x{name}",
        accounts=(owner or f"0x{name}",),
        base="0xb",
        quote="0xq",
        tokens=TOKENS,
        pools=("0xp1", "0xp2"),
        reference_pool="0xp1",
        strategy=TargetBand(cooldown_s=cooldown_s),
    )
    return publishing(policy, publishes)


def steps(wanted: list[Policy], in_force: list[Policy], *, prune: bool = False) -> list[RolloutStep]:
    return steps_to(wanted, {policy.book: policy for policy in in_force}, PARTITIONS, prune=prune)


def said(found: list[RolloutStep]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (step.event.policy.book, step.event.policy.publishes)
        if isinstance(step.event, PolicySet)
        else (f"-{step.event.book}", ())
        for step in found
    ]


def never_unpublished(found: list[RolloutStep], in_force: list[Policy]) -> bool:
    """Whether each pool published before and after has a publisher at every moment between."""
    now = {policy.book: set(policy.publishes) for policy in in_force}
    must = set().union(*now.values())
    for step in found:
        if isinstance(step.event, PolicyRemoved):
            now.pop(step.event.book)
        else:
            now[step.event.policy.book] = set(step.event.policy.publishes)
        if not must <= set().union(*now.values()):
            return False
    return True


def test_what_holds_already_needs_nothing():
    books = [book("a", "0xp1"), book("b", "0xp2")]
    assert steps(books, books) == []


def test_a_new_book_and_a_changed_one_go_to_their_own_shards():
    found = steps([book("a", "0xp1", cooldown_s=90), book("b", "0xp2")], [book("a", "0xp1")])
    assert {(s.event.policy.book, s.does) for s in found} == {("a", "changed"), ("b", "new")}
    assert all(step.shard == shard_of(step.event.policy.book, PARTITIONS) for step in found)


def test_a_pool_begins_in_its_new_home_before_it_ends_in_the_old_one():
    in_force = [book("a", "0xp1", "0xp2"), book("b")]
    found = steps([book("a", "0xp1"), book("b", "0xp2")], in_force)
    assert said(found) == [("b", ("0xp2",)), ("a", ("0xp1",))]


def test_two_books_that_swap_pools_never_leave_one_unpublished():
    in_force = [book("a", "0xp1"), book("b", "0xp2")]
    wanted = [book("a", "0xp2"), book("b", "0xp1")]
    found = steps(wanted, in_force)
    assert never_unpublished(found, in_force)
    final = {step.event.policy.book: step.event.policy for step in found}
    assert final == {policy.book: policy for policy in wanted}
    assert steps(wanted, list(final.values())) == []


def test_a_step_in_between_has_its_own_version():
    found = steps([book("a", "0xp2"), book("b", "0xp1")], [book("a", "0xp1"), book("b", "0xp2")])
    versions = [step.event.policy.policy_version for step in found]
    assert len(set(versions)) == len(versions) == 4


def test_a_book_that_left_the_file_stays_unless_pruned():
    in_force = [book("a", "0xp1"), book("b", "0xp2")]
    assert steps([book("a", "0xp1")], in_force) == []
    found = steps([book("a", "0xp1", "0xp2")], in_force, prune=True)
    assert said(found) == [("a", ("0xp1", "0xp2")), ("-b", ())]
    assert never_unpublished(found, in_force)


def test_a_pool_that_a_staying_book_publishes_is_not_published_twice():
    (step,) = steps([book("b", "0xp1", "0xp2")], [book("a", "0xp1")])
    assert step.event.policy.publishes == ("0xp2",)
    assert steps([book("b", "0xp1", "0xp2")], [book("a", "0xp1"), step.event.policy]) == []


def test_an_owner_of_a_staying_book_is_not_given_to_another():
    with pytest.raises(
        SettingsError, match="0xa is of book a, which is in force and not in the file; --prune"
    ):
        steps([book("b", "0xp1", owner="0xa")], [book("a", "0xp1")])
    assert said(steps([book("b", "0xp1", owner="0xa")], [book("a", "0xp1")], prune=True)) == [
        ("b", ("0xp1",)),
        ("-a", ()),
    ]


def test_a_policy_survives_the_wire():
    policy = book("a", "0xp1")
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
