"""Read a pool's whole state at one block."""

from collections.abc import Sequence
from typing import Any

import msgspec

from pipeline.units import Address, GrowthX128, Liquidity, Pips, RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3.forms.entries import OracleSlot, Pool, TickInfo
from pipeline.venues.uniswap_v3.forms.reads import TickObserved
from streams.node.contract_calls import Ask, ContractReader, method

_POOL = "uniswap-v3/UniswapV3Pool"
_MAX_TICK = 887_272
_WORD_BITS = 256

_FIELDS = (
    "token0",
    "token1",
    "fee",
    "tickSpacing",
    "slot0",
    "liquidity",
    "feeGrowthGlobal0X128",
    "feeGrowthGlobal1X128",
    "protocolFees",
)


class PoolRead(msgspec.Struct, frozen=True):
    """Everything that was read of a pool."""

    state: Pool
    ticks: tuple[TickObserved, ...]
    observations: tuple[OracleSlot, ...]


async def read_pool(reader: ContractReader, pool: Address) -> PoolRead:
    """Read a pool's fields, every initialised tick and every observation slot. Raises: UnreadableError."""
    found = dict(zip(_FIELDS, await _each(reader, pool, [(name,) for name in _FIELDS]), strict=True))
    decimals = await reader.need(
        [Ask(Address(found[token][0].lower()), _DECIMALS) for token in ("token0", "token1")]
    )
    state = _pool_of(found, decimals)
    words = range(-_MAX_TICK // state.tick_spacing >> 8, (_MAX_TICK // state.tick_spacing >> 8) + 1)
    bitmaps = await _each(reader, pool, [("tickBitmap", word) for word in words])
    ticks = [
        (word * _WORD_BITS + bit) * state.tick_spacing
        for word, (bitmap,) in zip(words, bitmaps, strict=True)
        if bitmap  # hardly a word of several hundred holds a tick
        for bit in range(_WORD_BITS)
        if bitmap >> bit & 1
    ]
    slots = range(state.observation_cardinality_next)
    infos = await _each(
        reader, pool, [*(("ticks", tick) for tick in ticks), *(("observations", slot) for slot in slots)]
    )
    return PoolRead(
        state=state,
        ticks=tuple(_tick_of(tick, info) for tick, info in zip(ticks, infos, strict=False)),
        observations=tuple(_slot_of(info) for info in infos[len(ticks) :]),
    )


_DECIMALS = method("tokens/ERC20", "decimals")


async def _each(
    reader: ContractReader, pool: Address, calls: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    return await reader.need([Ask(pool, method(_POOL, name), tuple(rest)) for name, *rest in calls])


def _pool_of(found: dict[str, tuple[Any, ...]], decimals: Sequence[tuple[Any, ...]]) -> Pool:
    price_x96, tick, index, cardinality, cardinality_next, fee_protocol, _unlocked = found["slot0"]
    return Pool(
        token0=Address(found["token0"][0].lower()),
        token1=Address(found["token1"][0].lower()),
        decimals0=decimals[0][0],
        decimals1=decimals[1][0],
        fee_pips=Pips(found["fee"][0]),
        tick_spacing=found["tickSpacing"][0],
        sqrt_price_x96=SqrtPriceX96(price_x96),
        tick=Tick(tick),
        liquidity=Liquidity(found["liquidity"][0]),
        growth0_x128=GrowthX128(found["feeGrowthGlobal0X128"][0]),
        growth1_x128=GrowthX128(found["feeGrowthGlobal1X128"][0]),
        protocol_fees0=RawAmount(found["protocolFees"][0]),
        protocol_fees1=RawAmount(found["protocolFees"][1]),
        fee_protocol0=fee_protocol % 16,
        fee_protocol1=fee_protocol >> 4,
        observation_index=index,
        observation_cardinality=cardinality,
        observation_cardinality_next=cardinality_next,
    )


def _tick_of(tick: int, info: tuple[Any, ...]) -> TickObserved:
    gross, net, outside0_x128, outside1_x128, *_oracle = info
    return TickObserved(
        tick=Tick(tick),
        info=TickInfo(
            liquidity_gross=Liquidity(gross),
            liquidity_net=Liquidity(net),
            outside0_x128=GrowthX128(outside0_x128),
            outside1_x128=GrowthX128(outside1_x128),
        ),
    )


def _slot_of(info: tuple[Any, ...]) -> OracleSlot:
    timestamp_s, tick_cumulative, seconds_per_liquidity_x128, initialized = info
    return OracleSlot(
        timestamp_s=timestamp_s,
        tick_cumulative=tick_cumulative,
        seconds_per_liquidity_x128=seconds_per_liquidity_x128,
        initialized=initialized,
    )
