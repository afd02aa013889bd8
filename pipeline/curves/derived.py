"""The derived properties of an invariant as data: formulas for people, and source code of functions for programs."""

from collections.abc import Mapping

import msgspec


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `derive` for one equation. A file can store it, and a process that reads the file needs no sympy."""

    equation: str
    parameters: tuple[str, ...]
    formulas: Mapping[str, str]
    """The simplified formulas by name; in the price P where the equation can be solved for it, else in the holdings x and y."""
    sources: Mapping[str, str]
    """Functions: `on_curve` (left minus right, price) and `at_holdings` of x, y and the parameters; where there is a closed
    form `at_price` of P, `at_base` of x (quote and price), and of the parameters alone `low` and `high`, the prices where a token runs out."""

    @property
    def closed_form(self) -> bool:
        """Whether the holdings at a price have a formula; otherwise they are solved for numerically."""
        return "at_price" in self.sources
