"""Take amounts of tokens as people write them in files."""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field


def _in_plain_digits(written: object) -> object:
    """Refuse digits of other scripts, which `Decimal` reads like 0 to 9."""
    if isinstance(written, str) and not written.isascii():
        raise ValueError("must be a number")
    return written


Amount = Annotated[Decimal, BeforeValidator(_in_plain_digits)]
"""In whole tokens."""
PositiveAmount = Annotated[Amount, Field(gt=0, le=10**15)]
"""In whole tokens, above 0. The bound keeps the smallest units of any token within 256 bits."""
AmountFromZero = Annotated[Amount, Field(ge=0, le=10**15)]
"""In whole tokens, likewise bounded."""
