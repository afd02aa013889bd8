"""Parse and print numbers as people write them. For display only: nothing is decided on a `Decimal`."""

import re
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation

from eth_hash.auto import keccak

from pipeline.messages.base import Price
from pipeline.units import Address, Bps, LogBps, RawAmount, Seconds

# Wide enough for any 256-bit integer; the default of 28 digits rounds amounts in silence.
_WIDE = Context(prec=160)
_FINE = Context(prec=50)
_STEP = _FINE.ln(Decimal("1.0001"))
"""The logarithm of one `LogBps`."""
_LONGEST = 60
"""Of what is not understood, in an error."""
_SECONDS_OF: Mapping[str, int] = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:[0-9]{1,12}\s*[wdhms]\s*)+")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_NAME = re.compile(r"[^\s.:/@]+(\.[^\s.:/@]+)+")
_SHARE = re.compile(r"(?P<number>-?[0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(?P<unit>%|bps)")
_BPS_OF: Mapping[str, int] = {"%": 100, "bps": 1}


def parse_bps(text: object) -> Bps:
    """Read a share: `5%`, `0.05 %` or `500 bps`.

    Raises: ValueError without a unit, or finer than a basis point.
    """
    match = _SHARE.fullmatch(str(text).strip())
    if match is None:
        raise _without_unit(text, "a share", "5% or 500 bps")
    bps = Decimal(match["number"]) * _BPS_OF[match["unit"]]
    if bps != int(bps):
        raise ValueError(f"{text!r} is finer than a basis point (0.01%)")
    return Bps(int(bps))


def _without_unit(text: object, what: str, example: str) -> ValueError:
    written = "an empty value" if text is None else repr(text)
    shown = written if len(written) <= _LONGEST else f"{written[:_LONGEST]}..."
    return ValueError(f"{shown} is not {what}: write it with its unit, as {example}")


def parse_price_move(text: object) -> LogBps:
    """Read how far a price may move, `6%` or `50 bps`: up by as much, down by the same factor, so that 6% is from /1.06 to *1.06.

    Rounds: to the nearest step of 0.01 %, compounded. Raises: ValueError without a unit, or below half a step.
    """
    match = _SHARE.fullmatch(str(text).strip())
    if match is None:
        raise _without_unit(text, "a move of a price", "6% or 50 bps")
    share = Decimal(match["number"]) * _BPS_OF[match["unit"]] / 10_000
    steps = _steps(share) if share > 0 else 0
    if not steps:
        raise ValueError(f"{text!r} is too little: it must be at least 0.01%")
    return LogBps(steps)


def price_move_text(move: LogBps | int) -> str:
    """Show how far a price may move, in percent upwards: the shortest number that `parse_price_move` reads as the same."""
    share = _FINE.exp(_FINE.multiply(_STEP, Decimal(move))) - 1
    shorter = (share.quantize(Decimal(1).scaleb(-digits), context=_FINE) for digits in range(-8, 8))
    shown = next((each for each in shorter if _steps(each) == move), share)
    return f"{plain_number(shown.scaleb(2, _WIDE))}%"


def _steps(share: Decimal) -> int:
    """Count the steps of 0.01 %, compounded, that a price moves by a share of itself upwards."""
    return round(_FINE.divide(_FINE.ln(1 + share), _STEP))


def parse_seconds(text: object) -> Seconds:
    """Read a duration: `90s`, `1h`, `1h30m`, `2d`.

    Raises: ValueError without units.
    """
    written = str(text).strip().lower()
    if _DURATION.fullmatch(written) is None:
        raise _without_unit(text, "a duration", "90s, 1h30m or 2d")
    return Seconds(sum(int(n) * _SECONDS_OF[unit] for n, unit in re.findall(r"(\d+)\s*([wdhms])", written)))


def parse_address(text: object) -> Address:
    """Read an address into the lower case of logs. Mixed case is checked as a checksum (EIP-55).

    Raises: ValueError for anything else, for a typing error that the checksum shows, and for the zero address.
    """
    written = str(text).strip()
    if _ADDRESS.fullmatch(written) is None:
        raise ValueError("is not an address: it must be 0x and 40 hex digits")
    digits = written[2:]
    if digits not in {digits.lower(), digits.upper()} and digits != _checksummed(digits.lower()):
        raise ValueError("has a wrong checksum: a typing error? (all lower case is not checked)")
    if not digits.strip("0"):
        raise ValueError("is the zero address")
    return Address("0x" + digits.lower())


def is_name(text: str) -> bool:
    """Return whether a text stands where an address may stand and is a name in its place: `treasury.example.eth`."""
    return _NAME.fullmatch(text) is not None


def _checksummed(digits: str) -> str:
    nibbles = keccak(digits.encode()).hex()
    return "".join(d.upper() if int(n, 16) >= 8 else d for d, n in zip(digits, nibbles, strict=False))


def factor_text(bps: int) -> str:
    """Show a health factor that is counted in bps of 1: 1.2345."""
    return f"{Decimal(bps).scaleb(-4, _WIDE):.4f}"


def bps_text(bps: Bps | int) -> str:
    """Show a share in percent."""
    return f"{plain_number(Decimal(bps).scaleb(-2, _WIDE))}%"


def seconds_text(seconds: Seconds | int) -> str:
    """Show a duration as `parse_seconds` reads it."""
    parts = []
    rest = int(seconds)
    for unit, size in list(_SECONDS_OF.items())[1:]:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def duration_text(seconds: int) -> str:
    """Show a duration in its two largest units, as an age is read: `12s`, `3m5s`, `2d4h`."""
    text = seconds_text(seconds)
    parts = re.findall(r"\d+[wdhms]", text)
    return "".join(parts[:2])


def amount_text(raw: RawAmount | int, decimals: int, *, places: int | None = None) -> str:
    """Show a raw amount in whole tokens, exactly, or cut (towards zero) after a number of places."""
    amount = Decimal(raw).scaleb(-decimals, _WIDE)
    if places is not None and places < decimals:
        step = Decimal(1).scaleb(-places)
        amount = amount.quantize(step, rounding="ROUND_DOWN", context=_WIDE)
    return f"{amount:,f}"


def rounded_amount_text(raw: RawAmount | int, decimals: int) -> str:
    """Show a raw amount in whole tokens for reading at a look_at_owner: fewer places the larger it is, cut towards zero."""
    whole = abs(raw) // 10**decimals
    return amount_text(raw, decimals, places=2 if whole >= 1_000 else 4 if whole else 6)


def price_text(price: Price, decimals0: int, decimals1: int, *, base_is_0: bool, digits: int = 10) -> str:
    """Show a price of token0 in token1 in whole tokens of the quote per token of the base, to a number of digits."""
    of_base, shift = (price, decimals0 - decimals1) if base_is_0 else (price.inverse(), decimals1 - decimals0)
    try:
        ratio = _WIDE.divide(Decimal(of_base.numerator), Decimal(of_base.denominator))
    except (ZeroDivisionError, InvalidOperation):
        return "-"
    return plain_number(Context(prec=digits).plus(ratio.scaleb(shift, _WIDE)))


def short(address: Address | str) -> str:
    """Show enough of an address or a hash to recognise it."""
    return address if len(address) <= 12 else f"{address[:6]}…{address[-4:]}"


def plain_number(number: Decimal) -> str:
    """Show a number exactly, without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
