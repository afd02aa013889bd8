"""Prices of books in the form of version 1: square roots. Only upgraders read them."""

from typing import Any

_ROOT = "sqrt_price_x96"


def with_price(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace a square root of a price by the price. Raises: ValueError where the root is not an integer in its written form."""
    written = fields[_ROOT]
    root_x96 = int(written)
    if str(root_x96) != written:
        raise ValueError(f"{_ROOT} is {written!r}")
    price = {"numerator": str(root_x96 * root_x96), "denominator": str(1 << 192)}
    return {**{name: value for name, value in fields.items() if name != _ROOT}, "price": price}
