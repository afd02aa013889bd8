"""Find policies whose hedge an operator has ended, which another version of the portfolio file must not start again."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from pipeline.messages.policy import Policy
from pipeline.units import BookId
from streams.portfolio import publishing


def unwound(policy: Policy) -> Policy:
    """Make the policy under which a hedge ends: whatever its file says, until an operator takes it on again."""
    assert policy.hedge, "asked of hedged books alone"
    return publishing(replace(policy, hedge=replace(policy.hedge, unwound=True)), policy.publishes)


def still_unwound(wanted: Policy, in_force: Mapping[BookId, Policy]) -> Policy:
    """Keep a hedge ended that an operator has ended. A file that itself says so, or hedges nothing, is taken as it is."""
    before = in_force.get(wanted.book)
    if before is None or not (before.hedge and before.hedge.unwound):
        return wanted
    return unwound(wanted) if wanted.hedge and not wanted.hedge.ends else wanted


def with_other_collateral(
    wanted: Sequence[Policy], in_force: Mapping[BookId, Policy]
) -> Iterator[tuple[int, str]]:
    """Find books, by their place, whose live hedge would be secured by another token: no plan takes back what is supplied of the one before."""
    for place, policy in enumerate(wanted):
        before = in_force.get(policy.book)
        if (
            before is None
            or before.mode != "live"
            or not (policy.hedge and before.hedge)
            or before.hedge.ends
        ):
            continue
        if policy.collateral_token != before.collateral_token:
            says = (
                f"is {before.collateral_token} in what is in force, and what is supplied of it no plan would take back: "
                f"`evenkeel unwind {policy.book}` first, and once nothing is left `evenkeel apply --hedge-again`"
            )
            yield place, says


def say_unwound(policies: Sequence[Policy]) -> Iterator[str]:
    """Say of which books the file and what is in force differ, and how either becomes the other."""
    for policy in policies:
        if policy.hedge and policy.hedge.unwound:
            yield (
                f"{policy.book}: its hedge stays ended, as `evenkeel unwind` left it, whatever the file's hedge.ratio is: "
                "`evenkeel apply --hedge-again` takes it on again, `ratio: 0%` makes the file say what is in force"
            )
