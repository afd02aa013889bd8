"""What a signer's file says of a lending market of Aave V3: an entry of its `venues`."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.units import Bps
from streams.portfolio.sections import Addr, Share
from streams.submit.venues.port import VenueFields

_LEAST_HEALTH, _MOST_HEALTH = Decimal("1.01"), Decimal(10)
_MOST_SHOCK_BPS = 10_000
_MOST_DEVIATION_BPS = 1_000
_HIGHEST_EMODE = 255


def _sane_shock(shock_bps: Bps) -> Bps:
    if not 0 <= shock_bps <= _MOST_SHOCK_BPS:
        raise ValueError("must be 0% to 100%")
    return shock_bps


def _sane_deviation(deviation_bps: Bps) -> Bps:
    if not 0 < deviation_bps <= _MOST_DEVIATION_BPS:
        raise ValueError("must be above 0 and at most 10%")
    return deviation_bps


class AaveFields(VenueFields):
    """An entry of kind `aave_v3`."""

    pool: Addr = Field(description="the market's Pool")
    tokens: Annotated[dict[Addr, Annotated[Decimal, Field(ge=0, le=10**15)]], Field(min_length=1)] = Field(
        description="by token that may be supplied, the largest debt of it; 0: none of it is borrowed"
    )
    least_health: Annotated[Decimal, Field(ge=_LEAST_HEALTH, le=_MOST_HEALTH)] = Field(
        description="the health factor below which nothing is borrowed, withdrawn or switched"
    )
    shock: Annotated[Share, AfterValidator(_sane_shock)] = Field(
        description="by how much prices may move at once: a debt must stand that, too"
    )
    max_oracle_deviation: Annotated[Share, AfterValidator(_sane_deviation)] = Bps(200)
    """How far the market's oracle may be from each reference while anything is borrowed, withdrawn or switched."""
    emodes: tuple[Annotated[int, Field(ge=1, le=_HIGHEST_EMODE)], ...] = ()
    """The categories of e-mode that may be chosen."""
