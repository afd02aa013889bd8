"""The gas that a plan's transactions usually use; their gas limits are far above it."""

from collections.abc import Mapping

from pipeline.messages.goals import Step

USUAL_GAS: Mapping[Step, int] = {
    "withdraw": 222_000,
    "approve": 51_000,
    "swap": 118_000,
    "mint": 460_000,
    "reset": 32_000,
}
"""Of one transaction, on the published bytecode (tests/integration/test_plan_footprint.py); of a withdrawal for each NFT."""
_USUAL_APPROVAL = 37_000
"""Of each that a plan counts: of five, three are usually given and one is taken back."""


_USUAL_APPROVALS = 5


def usual_gas(withdrawals: int, *, swaps: bool, approvals: int) -> int:
    """Sum the usual gas of a whole plan."""
    swap = USUAL_GAS["swap"] if swaps else 0
    return withdrawals * USUAL_GAS["withdraw"] + swap + approvals * _USUAL_APPROVAL + USUAL_GAS["mint"]


USUAL_PLAN_GAS = usual_gas(1, swaps=True, approvals=_USUAL_APPROVALS)
"""Of a plan that withdraws one NFT, swaps and mints."""
