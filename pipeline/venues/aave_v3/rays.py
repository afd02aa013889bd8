"""Aave's fixed-point arithmetic: wads of 18 decimals, rays of 27, percentages in ten-thousandths.

Each result is cut once. What has no suffix rounds half up, as both versions do; 3.6 also has floors and ceilings.

Raises: OutOfRangeError where the contract reverts: a division by zero, a product beyond uint256.
Source: WadRayMath, PercentageMath, MathUtils of Aave V3
"""

from pipeline.errors import OutOfRangeError
from pipeline.math.fixed_point import MAX_UINT256, div_up

WAD = 10**18
RAY = 10**27
PERCENT = 10_000
"""A whole, in the unit of percentages."""


def ray_mul(a: int, b_ray: int) -> int:
    """Multiply by a ray. Rounds: half up."""
    return _bounded(a * b_ray + RAY // 2) // RAY


def ray_mul_floor(a: int, b_ray: int) -> int:
    """Multiply by a ray. Rounds: down."""
    return _bounded(a * b_ray) // RAY


def ray_mul_ceil(a: int, b_ray: int) -> int:
    """Multiply by a ray. Rounds: up."""
    return div_up(_bounded(a * b_ray), RAY)


def ray_div(a: int, b_ray: int) -> int:
    """Divide by a ray. Rounds: half up."""
    return _bounded(a * RAY + b_ray // 2) // _divisor(b_ray)


def ray_div_floor(a: int, b_ray: int) -> int:
    """Divide by a ray. Rounds: down."""
    return _bounded(a * RAY) // _divisor(b_ray)


def ray_div_ceil(a: int, b_ray: int) -> int:
    """Divide by a ray. Rounds: up."""
    return div_up(_bounded(a * RAY), _divisor(b_ray))


def wad_div(a: int, b: int) -> int:
    """Divide two numbers of one unit. Units: result in wads. Rounds: half up."""
    return _bounded(a * WAD + b // 2) // _divisor(b)


def percent_mul(a: int, bps: int) -> int:
    """Take a percentage. Rounds: half up."""
    return _bounded(a * bps + PERCENT // 2) // PERCENT


def percent_mul_floor(a: int, bps: int) -> int:
    """Take a percentage. Rounds: down."""
    return _bounded(a * bps) // PERCENT


def mul_div_ceil(a: int, b: int, c: int) -> int:
    """Multiply, then divide. Rounds: up."""
    return div_up(_bounded(a * b), _divisor(c))


def _bounded(value: int) -> int:
    if value > MAX_UINT256:
        raise OutOfRangeError(f"{value} is more than a uint256")
    return value


def _divisor(value: int) -> int:
    if value == 0:
        raise OutOfRangeError("a division by zero")
    return value
