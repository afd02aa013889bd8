"""Look up the rules of a pool's bytecode by its `POOL_REVISION`."""

from pipeline.errors import ImpossibleFactError
from pipeline.venues.aave_v3 import v3_0, v3_6
from pipeline.venues.aave_v3.rules import VersionRules

RULES: dict[int, VersionRules] = {1: v3_0, 10: v3_6}
"""Between the two a pool was revised eight times; none of those is followed."""


def rules_of(revision: int) -> VersionRules:
    """Find the rules of a pool. Raises: ImpossibleFactError where its revision is not followed."""
    try:
        return RULES[revision]
    except KeyError:
        raise ImpossibleFactError(
            f"a pool of revision {revision} is not followed, only of {', '.join(map(str, RULES))}"
        ) from None
