"""Goals in the form of version 1: always a re-range at Uniswap V3. Only upgraders read them."""

from typing import Any

FORMER_PHASES = {"withdraw": "frees", "swap": "trades", "mint": "places", "reset": "resets"}
"""The phases of every plan up to version 2, and what each did."""
_TERMS = ("pool", "tick_lower", "tick_upper", "withdraw")


def rerange_goal(fields: dict[str, Any]) -> dict[str, Any]:
    """Make a re-range goal from the fields of a former record; former messages have only a part of them."""
    terms = {name: fields[name] for name in _TERMS if name in fields}
    return {"kind": "rerange", "venue": "uniswap_v3", "terms": terms}


def with_goal(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace the former fields of a record by its goal."""
    others = {name: value for name, value in fields.items() if name not in _TERMS}
    return {**others, "goal": rerange_goal(fields)}
