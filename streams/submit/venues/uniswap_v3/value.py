"""Compute an intent's loss at each reference price, from the chain's state and not from the intent."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import amounts_of_liquidity, range_amounts
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.slippage import most_taken_by_mint
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import Address, Bps, Liquidity, RawAmount, Tick
from streams.submit.node import SimulatedLog
from streams.submit.venues.port import JudgedIntent, KnownCall
from streams.submit.venues.uniswap_v3.calldata import named_pool
from streams.submit.venues.uniswap_v3.pool_logs import LiquidityChange, liquidity_changes
from streams.submit.venues.uniswap_v3.prices import Priced, Prices
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, PricedPool, UniswapV3Terms
from streams.submit.verdict import Refusal

_WHOLE_BPS = 10_000
_ROUNDING = 10
"""Raw units of each token that roundings alone may cost."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What leaves the owner and what comes in, in raw token1."""

    leaves: int
    comes: int

    @property
    def loss(self) -> int:
        """What leaves less what comes in; negative for a gain."""
        return self.leaves - self.comes

    def check(self, max_loss_bps: Bps, what: str, priced: Priced) -> None:
        """Compare the loss with its limit, naming the reference. Raises: Refusal."""
        rounding = -priced.value(-_ROUNDING, -_ROUNDING)
        if self.loss * _WHOLE_BPS > max_loss_bps * self.leaves + rounding * _WHOLE_BPS:
            lost_bps = self.loss * _WHOLE_BPS // self.leaves
            raise Refusal(
                "limits",
                f"{what} may lose {lost_bps} bps of what leaves, limit {max_loss_bps}, by {priced.name}",
            )


# ------------------------------------------------------------------ which pool values it
def pool_of(
    judged: JudgedIntent, moved: Mapping[Address, int], here: ListedDeployment, terms: UniswapV3Terms
) -> PricedPool | None:
    """Find the pool that an intent acts in, of the called deployment; None where nothing moves. Raises: Refusal."""
    logs = judged.effect.logs
    named = {pool for call in judged.calls if (pool := named_pool(call, here)) is not None}
    if not named and not moved and not list(liquidity_changes(logs, terms.deployments)):
        return None
    touched = {log.address for log in logs}
    candidates = named or sorted(here.pools, key=lambda pool: pool.address not in touched)
    for pool in candidates:
        if moved.keys() <= {pool.token0, pool.token1} and named <= {pool}:
            return pool
    raise Refusal("limits", f"no single listed pool values what moves: {', '.join(sorted(moved))}")


def pools_about(calls: Sequence[KnownCall], terms: UniswapV3Terms) -> list[PricedPool]:
    """List the pools that calls may act in, before they are simulated: those that they name, or all of their deployment."""
    found: list[PricedPool] = []
    for call in calls:
        if call.is_action:
            here = terms.deployment_at(call.to)
            named = named_pool(call, here)
            found += here.pools if named is None else (named,)
    return found


def in_order(token: Address, delta: int, pool: PricedPool) -> tuple[int, int]:
    """Put a change of one token into the pool's order of tokens."""
    return (delta, 0) if token == pool.token0 else (0, delta)


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """An intent's calls at the reference prices of its pool, and how much of what leaves may be lost."""

    calls: tuple[KnownCall, ...]
    prices: Prices
    max_loss_bps: Bps
    deployments: tuple[ListedDeployment, ...]

    # -------------------------------------------------------------- as simulated
    def check_effect(self, tokens: Mapping[Address, int], logs: Sequence[SimulatedLog]) -> tuple[Moved, ...]:
        """Compare the effect at the head with the limit on losses, and return it, at each reference price. Raises: Refusal."""
        changes = list(liquidity_changes(logs, self.deployments))
        for change in changes:
            if change.pool != self.prices.pool.address:
                raise Refusal(
                    "limits",
                    f"liquidity of {change.pool}, but {self.prices.pool.address} is what values it",
                )
        shown = []
        for priced in self.prices.references:
            parts = list(_parts(tokens, changes, priced))
            moved = Moved(
                leaves=-sum(part for part in parts if part < 0), comes=sum(part for part in parts if part > 0)
            )
            moved.check(self.max_loss_bps, "it", priced)
            shown.append(moved)
        return tuple(shown)

    # -------------------------------------------------------------- at the worst price that the calldata accepts
    def check_worst(self) -> tuple[tuple[Moved, ...], ...]:
        """Compare the least that the calldata accepts with the limit: the price may move before the block. Raises: Refusal.

        Returns at each reference price the worst of each call that trades or mints. Withdrawn liquidity is worth least at
        the price that values it, so what the head shows of it is its worst.
        Raises: Refusal.
        """
        return tuple(
            tuple(moved for call in self.calls for moved in self._worst_of(call, priced))
            for priced in self.prices.references
        )

    def _worst_of(self, call: KnownCall, priced: Priced) -> Iterator[Moved]:
        match call.function, call.arguments:
            case "exactInputSingle", (token_in, token_out, _, _, amount_in, least_out, _):
                moved = Moved(
                    leaves=-priced.value(*in_order(token_in.lower(), -amount_in, priced.pool)),
                    comes=priced.value(*in_order(token_out.lower(), least_out, priced.pool)),
                )
                moved.check(self.max_loss_bps, "the swap's minimum", priced)
                yield moved
            case "exactOutputSingle", (token_in, token_out, _, _, amount_out, most_in, _):
                moved = Moved(
                    leaves=-priced.value(*in_order(token_in.lower(), -most_in, priced.pool)),
                    comes=priced.value(*in_order(token_out.lower(), amount_out, priced.pool)),
                )
                moved.check(self.max_loss_bps, "the swap's maximum", priced)
                yield moved
            case "mint", (_, _, _, lower, upper, desired0, desired1, least0, least1, _, _):
                offer = Offer(lower=lower, upper=upper, desired=(desired0, desired1), least=(least0, least1))
                ends = list(worst_mints(priced, offer))
                for moved in ends:
                    moved.check(self.max_loss_bps, "the mint's minimums", priced)
                desired = -priced.value(-desired0, -desired1)
                yield Moved(leaves=desired, comes=desired - max(moved.loss for moved in ends))
            case _:
                pass


def _parts(
    tokens: Mapping[Address, int], changes: Sequence[LiquidityChange], priced: Priced
) -> Iterator[int]:
    """Value what moves, by token and by range."""
    for token, delta in tokens.items():
        yield priced.value(*in_order(token, delta, priced.pool))
    for each in changes:
        amounts = amounts_of_liquidity(
            priced.sqrt_price_x96, each.tick_lower, each.tick_upper, each.liquidity
        )
        sign = 1 if each.change > 0 else -1
        yield priced.value(sign * amounts[0], sign * amounts[1])


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts that a mint offers, and its minimums."""

    lower: Tick
    upper: Tick
    desired: tuple[int, int]
    least: tuple[int, int]

    def used(self, tick: int) -> tuple[int, int, int]:
        """Return what a mint at a tick takes of both tokens, and the liquidity that it makes. Raises: OutOfRangeError."""
        price_x96 = sqrt_price_at_tick(Tick(tick))
        one, other = (RawAmount(amount) for amount in self.desired)
        liquidity = liquidity_for_amounts(price_x96, self.lower, self.upper, one, other)
        return (*range_amounts(price_x96, self.lower, self.upper, liquidity, round_up=True), liquidity)

    def accepted(self) -> tuple[int, int]:
        """Return the ticks at which the minimums may be met, outwards to the tick, within the range. Raises: Refusal.

        As the price rises, a mint takes less of token0 and more of token1, but for the last unit of liquidity: so those prices
        lie in one interval, whose ends are those of a mint that has no such unit.
        """
        try:
            first = _first(self.lower, self.upper, lambda tick: self._most(tick)[1] >= self.least[1]) - 1
            last = _first(self.lower, self.upper, lambda tick: self._most(tick)[0] < self.least[0])
        except OutOfRangeError as error:
            raise Refusal("limits", f"a mint that cannot be valued: {error}") from None
        return max(first, self.lower), min(last, self.upper)

    def _most(self, tick: int) -> tuple[int, int]:
        one, other = (RawAmount(amount) for amount in self.desired)
        return most_taken_by_mint(one, other, self.lower, self.upper, sqrt_price_at_tick(Tick(tick)))


def worst_mints(priced: Priced, offer: Offer) -> Iterator[Moved]:
    """Compute a mint at both ends of the prices that its minimums accept. Raises: Refusal."""
    for tick in set(offer.accepted()):
        try:
            amount0, amount1, liquidity = offer.used(tick)
            kept = amounts_of_liquidity(priced.sqrt_price_x96, offer.lower, offer.upper, Liquidity(liquidity))
        except OutOfRangeError as error:
            raise Refusal("limits", f"a mint that cannot be valued: {error}") from None
        yield Moved(leaves=-priced.value(-amount0, -amount1), comes=priced.value(*kept))


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Find the least tick from which on a condition holds; the highest where it never does."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
