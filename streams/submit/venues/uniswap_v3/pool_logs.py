"""Decode the logs of a simulation for the signer: changes of liquidity, and swaps."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from pipeline.math.ticks import MAX_TICK
from pipeline.units import Address, Liquidity, Tick
from pipeline.venues.abi import event_topic
from streams.submit.verdict import Refusal

if TYPE_CHECKING:
    from streams.submit.node import SimulatedLog
    from streams.submit.venues.uniswap_v3.terms import ListedDeployment

_POOL = "uniswap-v3/UniswapV3Pool"
_MINT, _BURN, _SWAP = (event_topic(_POOL, name) for name in ("Mint", "Burn", "Swap"))
_WORDS = {_MINT: (4, 4), _BURN: (4, 3), _SWAP: (3, 5)}
"""Topics, and words of data."""
_WORD_BYTES = 32
_TWO_256 = 1 << 256
_LIQUIDITY_BITS = 128
_ADDRESS_DIGITS = 40


class LiquidityChange(msgspec.Struct, frozen=True, kw_only=True):
    """Liquidity of a position manager that was added to a pool, or (negative) removed from it."""

    pool: Address
    tick_lower: Tick
    tick_upper: Tick
    change: int

    @property
    def liquidity(self) -> Liquidity:
        """How much changed."""
        return Liquidity(abs(self.change))


class PoolSwap(msgspec.Struct, frozen=True, kw_only=True):
    """A swap; a negative amount is what the pool paid."""

    pool: Address
    sender: Address
    amount0: int
    amount1: int
    tick: Tick
    """Afterwards."""


def liquidity_changes(
    logs: Sequence["SimulatedLog"], deployments: Sequence["ListedDeployment"]
) -> Iterator[LiquidityChange]:
    """Read what each position manager added to or removed from listed pools of its deployment. Raises: Refusal."""
    managers = {pool.address: each.position_manager for each in deployments for pool in each.pools}
    for log in logs:
        topic = log.topics[0] if log.topics else ""
        if log.address not in managers or topic not in {_MINT, _BURN}:
            continue
        words = _words(log)
        liquidity = words[4] if topic == _MINT else words[3]
        if liquidity >> _LIQUIDITY_BITS:
            raise _strange(log)
        if _address(words[0]) == managers[log.address] and liquidity:
            yield LiquidityChange(
                pool=log.address,
                tick_lower=_tick(words[1], log),
                tick_upper=_tick(words[2], log),
                change=liquidity if topic == _MINT else -liquidity,
            )


def swaps(logs: Sequence["SimulatedLog"], pools: Sequence[Address]) -> Iterator[PoolSwap]:
    """Read the swaps in pools, in order. Raises: Refusal."""
    for log in logs:
        if log.address not in pools or not log.topics or log.topics[0] != _SWAP:
            continue
        words = _words(log)
        yield PoolSwap(
            pool=log.address,
            sender=_address(words[0]),
            amount0=_signed(words[2]),
            amount1=_signed(words[3]),
            tick=_tick(words[6], log),
        )


def _words(log: "SimulatedLog") -> list[int]:
    """Split a log into its indexed words and its data words. Raises: Refusal where their number is not the event's."""
    topics, words = _WORDS[log.topics[0]]
    if len(log.topics) != topics or len(log.data) != words * _WORD_BYTES:
        raise _strange(log)
    indexed = [int(topic, 16) for topic in log.topics[1:]]
    return [
        *indexed,
        *(int.from_bytes(log.data[at : at + _WORD_BYTES]) for at in range(0, len(log.data), _WORD_BYTES)),
    ]


def _signed(word: int) -> int:
    return word - _TWO_256 if word >> 255 else word


def _tick(word: int, log: "SimulatedLog") -> Tick:
    tick = _signed(word)
    if abs(tick) > MAX_TICK:
        raise _strange(log)
    return Tick(tick)


def _strange(log: "SimulatedLog") -> Refusal:
    return Refusal("limits", f"a log of pool {log.address} is not what its event says: 0x{log.data.hex()}")


def _address(word: int) -> Address:
    return Address(f"0x{word:0{_ADDRESS_DIGITS}x}")
