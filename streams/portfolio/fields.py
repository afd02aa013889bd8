"""The types of a file's fields (addresses, shares, times, URLs), and the section that contains them."""

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr

from pipeline.units import Address, Bps, LogBps, PoolId, Seconds
from streams.human_numbers import bps_text, parse_bps, parse_price_move, parse_seconds, price_move_text
from streams.portfolio.names import read_address, read_pool
from streams.redaction import is_node_url

Addr = Annotated[Address, BeforeValidator(read_address)]
"""An address, or an ENS name in its place."""
Pool = Annotated[PoolId, BeforeValidator(read_pool)]
"""A pool's address, or an ENS name in its place, or the 32 bytes by which its venue knows it."""
Share = Annotated[Bps, BeforeValidator(parse_bps)]
PriceMove = Annotated[LogBps, BeforeValidator(parse_price_move)]
WIDEST_SPOT = parse_price_move("20%")
"""A price that is further from its mean is never acted at, whatever a file says."""
Duration = Annotated[Seconds, BeforeValidator(parse_seconds)]


def _http(url: SecretStr) -> SecretStr:
    if not is_node_url(url.get_secret_value()):
        raise ValueError("must be an http:// or https:// URL")
    return url


SecretUrl = Annotated[SecretStr, AfterValidator(_http)]
"""A URL that may hold a key: it is shown nowhere."""

T = TypeVar("T")


def at_least(count: int) -> AfterValidator:
    """Refuse a list with fewer items."""

    def check(items: tuple[T, ...]) -> tuple[T, ...]:
        if len(items) < count:
            raise ValueError(f"must name at least {count}")
        return items

    return AfterValidator(check)


def share_up_to(most: Bps, why: str = "") -> AfterValidator:
    """Refuse a share of 0 or less, and one above the maximum; `why` follows in the message."""

    def check(share: Bps) -> Bps:
        if not 0 < share <= most:
            raise ValueError(f"must be above 0 and at most {bps_text(most)}{why}")
        return share

    return AfterValidator(check)


def move_up_to(most: LogBps) -> AfterValidator:
    """Refuse a price move that is greater than the maximum."""

    def check(move: LogBps) -> LogBps:
        if move > most:
            raise ValueError(f"must be at most {price_move_text(most)}")
        return move

    return AfterValidator(check)


class Section(BaseModel):
    """A section of the file, which refuses unknown fields."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )
