"""Decide whether what a node says of a chain can be checked against hashes."""

from typing import Literal

Provable = Literal["yes", "no", "unknown"]
"""`unknown`: nothing of that kind was asked yet."""
