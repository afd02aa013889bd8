"""The section of a signer's file about an Aave V3 market: an entry of its `venues`."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy
from pipeline.units import Address, Bps
from streams.amounts import AmountFromZero
from streams.human_numbers import bps_text, factor_text
from streams.portfolio.fields import Addr, Share, share_up_to
from streams.submit.venues.port import VenueFields

_LEAST_HEALTH, _MOST_HEALTH = Decimal("1.01"), Decimal(10)
_MOST_SHOCK_BPS = 10_000
_MOST_DEVIATION = Bps(1_000)
_HIGHEST_EMODE = 255
_WHOLE_BPS = 10_000


def _sane_shock(shock_bps: Bps) -> Bps:
    if not 0 <= shock_bps <= _MOST_SHOCK_BPS:
        raise ValueError("must be 0% to 100%")
    return shock_bps


class AaveFields(VenueFields):
    """An entry of kind `aave_v3`."""

    pool: Addr = Field(description="the market's Pool")
    tokens: Annotated[dict[Addr, AmountFromZero], Field(min_length=1)] = Field(
        description="by token that may be supplied, its largest debt in whole tokens; 0: it is never borrowed"
    )
    least_health: Annotated[Decimal, Field(ge=_LEAST_HEALTH, le=_MOST_HEALTH)] = Field(
        description="the least health factor after a borrowing, a withdrawal or a switch"
    )
    shock: Annotated[Share, AfterValidator(_sane_shock)] = Field(
        description="the adverse price move after which a borrowing or a switch must still leave `least_health`"
    )
    max_oracle_deviation: Annotated[Share, share_up_to(_MOST_DEVIATION)] = Bps(200)
    """How far the market's oracle may be from each reference for a borrowing, a withdrawal or a switch."""
    emodes: tuple[Annotated[int, Field(ge=1, le=_HIGHEST_EMODE)], ...] = ()
    """The e-mode categories that may be chosen."""

    def secures(self, policy: Policy) -> bool:
        """Whether a book is hedged in this pool."""
        if not policy.hedge:
            return False
        return self.pool in _contracts(policy, policy.hedge.venue)

    def refuses_of(self, policy: Policy, budget_token: Address) -> Iterator[str]:
        """Name where a book's hedge goes beyond debt, health or oracle of this entry."""
        if not policy.hedge or not self.secures(policy):
            return
        hedge, base = policy.hedge, policy.base
        for token in (base, policy.collateral_token):
            if token not in self.tokens:
                yield f"{token} is none of the tokens of {self.name}"
        largest = int(self.tokens.get(base, Decimal(0)).scaleb(policy.decimals(base)))
        if hedge.largest_debt is None or hedge.largest_debt > largest:
            yield f"hedge.largest_debt is not within what {self.name} lets be owed, {self.tokens.get(base, 0)}"
        yield from self._refuses_health(hedge, shocks=1 if policy.collateral_token == budget_token else 2)
        if policy.chain.sequencer:
            yield from self._refuses_in_grace(hedge)
        if hedge.oracle_within_bps > self.max_oracle_deviation:
            within, most = bps_text(hedge.oracle_within_bps), bps_text(self.max_oracle_deviation)
            yield f"hedge.oracle_within of {within} is wider than the max_oracle_deviation of {self.name}, {most}"

    def _refuses_in_grace(self, hedge: Hedge) -> Iterator[str]:
        """Hold the health below which collateral is traded for debt against that below which the signer lets it be within a grace period."""
        below = self.least_health * (1 + Decimal(self.shock) / _WHOLE_BPS)
        if Decimal(hedge.act_bps) / _WHOLE_BPS > below:
            yield (
                f"hedge.act {factor_text(hedge.act_bps)}: within a grace period of the sequencer {self.name} lets collateral be traded for "
                f"debt below {below.normalize():f} alone, least_health {self.least_health} with shock {bps_text(self.shock)}"
            )

    def _refuses_health(self, hedge: Hedge, *, shocks: int) -> Iterator[str]:
        """Hold the health that steps leave against what is asked for after the shock, of the debt and, unless it is the budget's token, of the collateral."""
        left = Decimal(hedge.floor_bps) * (_WHOLE_BPS + hedge.gap_bps) / _WHOLE_BPS**2
        asked = self.least_health * (1 + Decimal(self.shock) / _WHOLE_BPS) ** shocks
        if left < asked:
            yield (
                f"hedge.floor {factor_text(hedge.floor_bps)} with hedge.gap {bps_text(hedge.gap_bps)} leaves a health factor of {left.normalize():f}; "
                f"least_health {self.least_health} with shock {bps_text(self.shock)} of {self.name} asks for {asked.normalize():f}"
            )
        withdrawn_bps = (_WHOLE_BPS + hedge.act_bps) // 2
        if withdrawn_bps < self.least_health * _WHOLE_BPS:
            yield f"hedge.act leaves a health factor of {withdrawn_bps / _WHOLE_BPS}, {self.name} {self.least_health} at least"


def _contracts(policy: Policy, venue: str) -> set[Address]:
    """List the contracts of a venue of the book's chain."""
    return {
        each.address for spec in policy.chain.all_venues() if spec.name == venue for each in spec.contracts
    }
