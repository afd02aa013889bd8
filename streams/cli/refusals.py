"""Put the details of a refusal into human units: the pipeline has raw integers, and each venue its own."""

import re
from collections.abc import Callable, Mapping
from functools import partial

from pipeline.messages.policy import Policy
from pipeline.units import RawAmount
from streams.cli.venues.port import InUnits
from streams.cli.venues.registry import refusal_numbers
from streams.cli.wording import named_in
from streams.human_numbers import amount_text, duration_text

_GWEI_DIGITS = 9

_QUOTE = (
    r"\bmoves (\d+), more than (\d+)",
    r"\bcosts (\d+ quote), (\d+) of it gas, more than (\d+)",
    r"\bcosts (\d+ quote) within a day, more than (\d+)",
    r"(?:^|: )(\d+) within a day, more than (\d+)",
    r"\bgas costs (\d+ quote); for the whole plan at most (\d+) were foreseen",
    r"\bis worth (\d+ quote); of what the pool holds within 1 %, (\d+) would fit",
)
_SECONDS = (
    r"\bthe sequencer is (?:down|back) since (\d+ s)",
    r"\bno price counts until that is more than (\d+ s)",
)
_GAS = (r"(?:^|: )(\d+ wei) a gas, more than (\d+)",)


def in_units(text: str, policy: Policy | None) -> str:
    """Give each number of a refusal's detail its unit; without the book's policy they stay as they are."""
    if policy is None:
        return text
    own: Mapping[str, InUnits] = {
        **dict.fromkeys(_QUOTE, _amount),
        **dict.fromkeys(_GAS, _gwei),
        **dict.fromkeys(_SECONDS, _duration),
    }
    for pattern, show in [*own.items(), *refusal_numbers()]:
        text = re.sub(pattern, partial(_with_units, partial(show, policy)), text)
    return text


def _with_units(show: Callable[[int], str], found: re.Match[str]) -> str:
    """Replace each number that a pattern has found, and the unit behind it."""
    text, end = "", found.start()
    for number in range(1, found.re.groups + 1):
        start = found.start(number)
        text += found.string[end:start] + show(int(found[number].split()[0]))
        end = found.end(number)
    return text + found.string[end : found.end()]


def _amount(policy: Policy, raw: int) -> str:
    return named_in(policy).amount(policy.quote, RawAmount(raw))


def _duration(policy: Policy, seconds: int) -> str:
    del policy
    return duration_text(seconds)


def _gwei(policy: Policy, wei: int) -> str:
    del policy
    return f"{amount_text(wei, _GWEI_DIGITS, places=3)} gwei"
