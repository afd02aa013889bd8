"""What an intent may lose, at each reference price: read from the chain, not from the intent."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from pipeline.errors import MalformedLogError, OutOfRangeError
from pipeline.math.amounts import amounts_of_liquidity, range_amounts
from pipeline.math.liquidity import liquidity_for_amounts
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.messages.base import RawLog
from pipeline.units import NATIVE, Address, Bps, Hash, Liquidity, LogIndex, RawAmount, Tick
from pipeline.venues.uniswap_v3.forms.facts import Burned, Minted, PoolFact
from pipeline.venues.uniswap_v3.pool_logs import decode_pool_log
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC
from streams.submit.calldata import KnownCall
from streams.submit.limits import PricedPool, SignerLimits
from streams.submit.node import SimulatedLog
from streams.submit.prices import Priced, Prices
from streams.submit.simulation import Effect
from streams.submit.verdict import Refusal

_WHOLE_BPS = 10_000
_ROUNDING = 10
"""Raw units of token1 that roundings alone may cost."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What leaves the owner and what comes, in raw token1."""

    leaves: int
    comes: int

    @property
    def loss(self) -> int:
        """What leaves less what comes; negative where it gains."""
        return self.leaves - self.comes

    def check(self, max_loss_bps: Bps, what: str, priced: Priced) -> None:
        """Compare the loss with its limit, naming the reference. Raises: Refusal."""
        if self.loss * _WHOLE_BPS > max_loss_bps * self.leaves + _ROUNDING * _WHOLE_BPS:
            lost_bps = self.loss * _WHOLE_BPS // self.leaves
            raise Refusal(
                "limits",
                f"{what} may lose {lost_bps} bps of what leaves, limit {max_loss_bps}, by {priced.name}",
            )


# ------------------------------------------------------------------ which pool values it
def pool_of(calls: tuple[KnownCall, ...], effect: Effect, limits: SignerLimits) -> PricedPool | None:
    """Find the pool that an intent is about; None where nothing moves. Raises: Refusal."""
    named = {pool.address: pool for call in calls for pool in named_pools(call, limits)}
    moved = {token for token, delta in _netted(effect, limits).items() if delta}
    if not named and not moved and not list(_liquidity(effect.logs, limits)):
        return None
    touched = {log.address for log in effect.logs}
    candidates = list(named.values()) or sorted(limits.pools, key=lambda pool: pool.address not in touched)
    for pool in candidates:
        if moved <= {pool.token0, pool.token1} and set(named) <= {pool.address}:
            return pool
    raise Refusal("limits", f"no single listed pool values what moves: {', '.join(sorted(moved))}")


def named_pools(call: KnownCall, limits: SignerLimits) -> Iterator[PricedPool]:
    """Find the listed pool that a swap or a mint is in."""
    if call.function in {"exactInputSingle", "mint"}:
        one, other, fee_pips = call.arguments[:3]
        for pool in limits.pools:
            if {pool.token0, pool.token1} == {one.lower(), other.lower()} and pool.fee_pips == fee_pips:
                yield pool


def _as_token(token: Address, limits: SignerLimits) -> Address:
    return limits.wrapped_native if token == NATIVE else token


# ------------------------------------------------------------------ as simulated
def check_effect(effect: Effect, prices: Prices, limits: SignerLimits) -> tuple[Moved, ...]:
    """Hold what the head shows against the limit on losses, and return it, at each reference price. Raises: Refusal."""
    changes = list(_liquidity(effect.logs, limits))
    for change in changes:
        if change.address != prices.pool.address:
            raise Refusal(
                "limits", f"liquidity of {change.address}, but {prices.pool.address} is what values it"
            )
    shown = []
    for priced in prices.references:
        parts = list(_parts(effect, changes, priced, limits))
        moved = Moved(
            leaves=-sum(part for part in parts if part < 0), comes=sum(part for part in parts if part > 0)
        )
        moved.check(limits.max_loss_bps, "it", priced)
        shown.append(moved)
    return tuple(shown)


def _parts(
    effect: Effect, changes: Iterable[Minted | Burned], priced: Priced, limits: SignerLimits
) -> Iterator[int]:
    """Value what moves, token by token and range by range."""
    for token, delta in _netted(effect, limits).items():
        yield priced.value(*in_order(token, delta, priced.pool))
    for change in changes:
        amounts = amounts_of_liquidity(
            priced.sqrt_price_x96, change.tick_lower, change.tick_upper, change.liquidity
        )
        sign = 1 if isinstance(change, Minted) else -1
        yield priced.value(sign * amounts[0], sign * amounts[1])


def _netted(effect: Effect, limits: SignerLimits) -> dict[Address, int]:
    """Count the native coin and its wrapping as one."""
    net: dict[Address, int] = {}
    for token, delta in effect.deltas.items():
        if delta:
            name = _as_token(token, limits)
            net[name] = net.get(name, 0) + delta
    return net


def in_order(token: Address, delta: int, pool: PricedPool) -> tuple[int, int]:
    """Put a change of one token where the pool has it."""
    return (delta, 0) if token == pool.token0 else (0, delta)


def pool_facts(logs: tuple[SimulatedLog, ...], limits: SignerLimits) -> Iterator[PoolFact]:
    """Read what happened in listed pools, in order. Raises: Refusal."""
    pools = {pool.address for pool in limits.pools}
    for place, log in enumerate(logs):
        if log.address not in pools:
            continue
        try:
            fact = decode_pool_log(_raw(log, place))
        except MalformedLogError as error:
            raise Refusal("limits", str(error)) from None
        if fact is not None:
            yield fact


def _liquidity(logs: tuple[SimulatedLog, ...], limits: SignerLimits) -> Iterator[Minted | Burned]:
    """Read what the position manager put into listed pools, for the only recipient there may be, or took out."""
    for fact in pool_facts(logs, limits):
        if isinstance(fact, Minted | Burned) and fact.owner == limits.position_manager and fact.liquidity:
            yield fact


def refuse_strange_transfers(owner: Address, effect: Effect, limits: SignerLimits) -> None:
    """Let nothing leave the owner that is not counted above; an emptied NFT may be burned."""
    from_owner = f"0x{owner.removeprefix('0x'):0>64}"
    for log in effect.logs:
        is_transfer = len(log.topics) > 2 and log.topics[0] == TRANSFER_TOPIC and log.topics[1] == from_owner
        burned = log.address == limits.position_manager and is_transfer and not int(log.topics[2], 16)
        if is_transfer and log.address not in effect.deltas and not burned:
            raise Refusal("limits", f"{log.address} moves from the owner and is not on the list")


def _raw(log: SimulatedLog, place: int) -> RawLog:
    return RawLog(
        address=log.address,
        topics=log.topics,
        data="0x" + log.data.hex(),
        log_index=LogIndex(place),
        transaction_hash=Hash("0x" + "00" * 32),
        transaction_index=0,
    )


# ------------------------------------------------------------------ at the worst price that the calldata accepts
def check_worst(
    calls: tuple[KnownCall, ...], prices: Prices, limits: SignerLimits
) -> tuple[tuple[Moved, ...], ...]:
    """Hold the least that the calldata accepts against the limit: the price may move before the block.

    Returns at each reference price the worst of each call that trades or mints. Withdrawn liquidity is worth least at
    the price that values it, so what the head shows of it is its worst.
    Raises: Refusal.
    """
    return tuple(
        tuple(moved for call in calls for moved in _check_call(call, priced, limits))
        for priced in prices.references
    )


def _check_call(call: KnownCall, priced: Priced, limits: SignerLimits) -> Iterator[Moved]:
    match call.function, call.arguments:
        case "exactInputSingle", (token_in, token_out, _, _, amount_in, least_out, _):
            moved = Moved(
                leaves=-priced.value(*in_order(token_in.lower(), -amount_in, priced.pool)),
                comes=priced.value(*in_order(token_out.lower(), least_out, priced.pool)),
            )
            moved.check(limits.max_loss_bps, "the swap's minimum", priced)
            yield moved
        case "mint", (_, _, _, lower, upper, desired0, desired1, least0, least1, _, _):
            offer = Offer(lower=lower, upper=upper, desired=(desired0, desired1), least=(least0, least1))
            ends = list(worst_mints(priced, offer))
            for moved in ends:
                moved.check(limits.max_loss_bps, "the mint's minimums", priced)
            desired = -priced.value(-desired0, -desired1)
            yield Moved(leaves=desired, comes=desired - max(moved.loss for moved in ends))
        case _:
            pass


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a mint offers, and the least of it that must be taken."""

    lower: Tick
    upper: Tick
    desired: tuple[int, int]
    least: tuple[int, int]

    def used(self, tick: int) -> tuple[int, int, int]:
        """Tell what a mint at a tick takes of both tokens, and the liquidity that it makes. Raises: OutOfRangeError."""
        price_x96 = sqrt_price_at_tick(Tick(tick))
        one, other = (RawAmount(amount) for amount in self.desired)
        liquidity = liquidity_for_amounts(price_x96, self.lower, self.upper, one, other)
        return (*range_amounts(price_x96, self.lower, self.upper, liquidity, round_up=True), liquidity)

    def accepted(self) -> tuple[int, int]:
        """Tell at which ticks the minimums are met, outwards to the tick, within the range. Raises: Refusal.

        As the price rises, a mint takes less of token0 and more of token1: so those prices are one interval.
        """
        try:
            first = _first(self.lower, self.upper, lambda tick: self.used(tick)[1] >= self.least[1]) - 1
            last = _first(self.lower, self.upper, lambda tick: self.used(tick)[0] < self.least[0])
        except OutOfRangeError as error:
            raise Refusal("limits", f"a mint that cannot be valued: {error}") from None
        return max(first, self.lower), min(last, self.upper)


def worst_mints(priced: Priced, offer: Offer) -> Iterator[Moved]:
    """Mint at both ends of the prices that the minimums accept. Raises: Refusal."""
    for tick in set(offer.accepted()):
        try:
            amount0, amount1, liquidity = offer.used(tick)
            kept = amounts_of_liquidity(priced.sqrt_price_x96, offer.lower, offer.upper, Liquidity(liquidity))
        except OutOfRangeError as error:
            raise Refusal("limits", f"a mint that cannot be valued: {error}") from None
        yield Moved(leaves=-priced.value(-amount0, -amount1), comes=priced.value(*kept))


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Find the least tick at which something holds that then holds on; the highest where it never does."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
