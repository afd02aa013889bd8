"""Types for numbers and names that must not be mixed up.

All are plain `int` or `str` at run time; the type checker keeps them apart.
"""

from typing import NewType

# Who and where
Address = NewType("Address", str)
"""Lower-case 0x-hex of 20 bytes: the form in which nodes give it in logs."""
PoolId = Address
"""The identifier of a pool at its venue: its contract's address, or the 0x-hex of 32 bytes where one contract has all pools."""
Hash = NewType("Hash", str)
"""Lower-case 0x-hex of 32 bytes."""
BookId = NewType("BookId", str)
TokenId = NewType("TokenId", int)
"""The number of a position at a contract that numbers its positions."""
ChainId = NewType("ChainId", int)

# When
BlockNumber = NewType("BlockNumber", int)
LogIndex = NewType("LogIndex", int)
"""The index of a log in its block."""
Seconds = NewType("Seconds", int)
"""A duration, or the seconds of a block's timestamp since 1970."""
Term = NewType("Term", int)
"""A watcher's number, which grows with each start; records of a lower one are ignored."""
Offset = NewType("Offset", int)
"""The offset of a record in its partition; gapless in `events.v1`."""
ShardId = NewType("ShardId", int)
"""The number of a partition, the same in every topic."""

# How much
RawAmount = NewType("RawAmount", int)
"""An amount in a token's smallest unit; signed where it is a delta."""
Wei = NewType("Wei", int)
Bps = NewType("Bps", int)
"""Ten-thousandths."""
Pips = NewType("Pips", int)
"""Millionths: the unit of a V3 fee."""

LogPrice = NewType("LogPrice", int)
"""The logarithm of a price to the base 1.0001, rounded down; a step is 0.01 %."""
LogBps = NewType("LogBps", int)
"""The distance of two prices as the difference of their `LogPrice`: n is a factor of 1.0001**n, about n ten-thousandths."""

# Uniswap V3
SqrtPriceX96 = NewType("SqrtPriceX96", int)
"""sqrt(token1 per token0) as Q64.96, raw units."""
Tick = NewType("Tick", int)
Liquidity = NewType("Liquidity", int)
GrowthX128 = NewType("GrowthX128", int)
"""Fees per unit of liquidity as Q128.128, modulo 2**256."""

NATIVE = Address("native")
"""The chain's own coin, where a token's address is expected."""
