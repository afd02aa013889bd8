"""Uniswap V3, bit for bit: its logs, pools, NFTs and time-weighted prices."""

from pipeline.math.amounts import amounts_of_liquidity
from pipeline.venues.uniswap_v3.live_pool import LivePool
from pipeline.venues.uniswap_v3.manager_logs import MANAGER_TOPICS, decode_manager_log
from pipeline.venues.uniswap_v3.pool_logs import decode_pool_log
from pipeline.venues.uniswap_v3.position import apply_manager_fact, collectable, fees_alone, in_range
from pipeline.venues.uniswap_v3.quote import Quote, quote
from pipeline.venues.uniswap_v3.swap_to_ratio import SwapPlan, swap_to_ratio
from pipeline.venues.uniswap_v3.topics import (
    BURN_TOPIC,
    CARDINALITY_TOPIC,
    COLLECT_PROTOCOL_TOPIC,
    COLLECT_TOPIC,
    DECREASE_LIQUIDITY_TOPIC,
    FLASH_TOPIC,
    INCREASE_LIQUIDITY_TOPIC,
    INITIALIZE_TOPIC,
    MINT_TOPIC,
    NFT_COLLECT_TOPIC,
    POOL_TOPICS,
    SET_FEE_PROTOCOL_TOPIC,
    SWAP_TOPIC,
)
from pipeline.venues.uniswap_v3.twap import mean_liquidity, mean_tick, observe
from pipeline.venues.uniswap_v3.withdrawn import withdrawn

__all__ = [
    "BURN_TOPIC",
    "CARDINALITY_TOPIC",
    "COLLECT_PROTOCOL_TOPIC",
    "COLLECT_TOPIC",
    "DECREASE_LIQUIDITY_TOPIC",
    "FLASH_TOPIC",
    "INCREASE_LIQUIDITY_TOPIC",
    "INITIALIZE_TOPIC",
    "MANAGER_TOPICS",
    "MINT_TOPIC",
    "NFT_COLLECT_TOPIC",
    "POOL_TOPICS",
    "SET_FEE_PROTOCOL_TOPIC",
    "SWAP_TOPIC",
    "LivePool",
    "Quote",
    "SwapPlan",
    "amounts_of_liquidity",
    "apply_manager_fact",
    "collectable",
    "decode_manager_log",
    "decode_pool_log",
    "fees_alone",
    "in_range",
    "mean_liquidity",
    "mean_tick",
    "observe",
    "quote",
    "swap_to_ratio",
    "withdrawn",
]
