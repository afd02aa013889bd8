"""A book recomputed from the chain's own answers at one block, sharing no code with the pipeline.

Burning and collecting are asked of the contracts as if the owner did it; prices come from slot0.
"""

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import msgspec

from pipeline.venues.abi import function
from streams.devnet import reads
from streams.devnet.chain import Chain
from streams.devnet.world import DevnetPool, World

_MANAGER = "uniswap-v3/NonfungiblePositionManager"
_ALL = 2**128 - 1
_NEVER_S = 2**256 - 1
_WHOLE_BPS = 10_000


class PricedAsset(msgspec.Struct, frozen=True, kw_only=True):
    """A token beside WETH and dollars, and the pools that lead from it to dollars."""

    token: str
    path: tuple[DevnetPool, ...]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What of a book's policy an outsider needs to judge it."""

    owner: str
    usdc: str
    usdc_at_par: tuple[str, ...]
    others: tuple[PricedAsset, ...] = ()
    pools: tuple[DevnetPool, ...]
    reference: DevnetPool
    target_bps: int
    band_bps: int
    hysteresis_bps: int
    cooldown_s: int


class ChainInventory(msgspec.Struct, frozen=True, kw_only=True):
    """A book at a block, by the chain alone."""

    base_amount: int
    quote_amount: int
    value_quote: int
    base_share_bps: int
    amounts: dict[str, int]
    """Of each token."""
    values_quote: dict[str, int]
    base_price: Fraction
    base_to_buy: int
    all_out_of_range: bool


def inventory_at(chain: Chain, world: World, terms: Terms, block: int) -> ChainInventory:
    """Ask for everything that the book holds after a block."""
    held, idle = _positions(chain, world, terms, block)
    usdc_per_weth = _price(chain, world.weth, (terms.reference,), block)
    prices = dict.fromkeys(terms.usdc_at_par, Fraction(1)) | {world.weth: usdc_per_weth}
    prices |= {each.token: _price(chain, each.token, each.path, block) for each in terms.others}
    for token in prices:
        held[token] += reads.balance(chain, token, terms.owner, block=block)
    held[world.weth] += int(chain.rpc("eth_getBalance", terms.owner, hex(block)), 16)
    values = {token: int(held[token] * price) for token, price in prices.items()}
    base_value, value = values[world.weth], sum(values.values())
    return ChainInventory(
        base_amount=held[world.weth],
        quote_amount=sum(held[token] for token in terms.usdc_at_par),
        value_quote=value,
        base_share_bps=base_value * _WHOLE_BPS // value if value else 0,
        amounts={token: held[token] for token in prices},
        values_quote=values,
        base_price=usdc_per_weth,
        base_to_buy=int((Fraction(value * terms.target_bps, _WHOLE_BPS) - base_value) / usdc_per_weth),
        all_out_of_range=idle,
    )


def _price(chain: Chain, token: str, path: tuple[DevnetPool, ...], block: int) -> Fraction:
    """Multiply the spots of pools, each of which trades what the one before gives."""
    price = Fraction(1)
    for pool in path:
        spot = Fraction(reads.slot0(chain, pool, block=block).sqrt_price_x96 ** 2, 2**192)
        price *= spot if token == pool.token0 else 1 / spot
        token = pool.token1 if token == pool.token0 else pool.token0
    return price


def _positions(chain: Chain, world: World, terms: Terms, block: int) -> tuple[Counter[str], bool]:
    """Add up, by token, what leaving every position would pay; whether there is liquidity, all of it idle."""
    by_terms = {(pool.token0, pool.token1, pool.fee_pips): pool for pool in terms.pools}
    paid: Counter[str] = Counter()
    in_range: list[bool] = []
    for token_id in reads.token_ids(chain, world, terms.owner, block=block):
        held = reads.position(chain, world, token_id, block=block)
        pool = by_terms.get((held.token0, held.token1, held.fee_pips))
        if pool is None:
            continue
        collected = _collected(chain, world, terms.owner, token_id, block)
        burned = _burned(chain, world, terms.owner, (token_id, held.liquidity), block)
        paid[pool.token0] += collected[0] + burned[0]
        paid[pool.token1] += collected[1] + burned[1]
        if held.liquidity:
            in_range.append(held.lower <= reads.slot0(chain, pool, block=block).tick < held.upper)
    return paid, bool(in_range) and not any(in_range)


def _collected(chain: Chain, world: World, owner: str, token_id: int, block: int) -> tuple[int, int]:
    terms = (token_id, owner, _ALL, _ALL)
    called = function(_MANAGER, "collect")
    paid: tuple[int, int] = reads.ask(chain, world.position_manager, called, terms, sender=owner, block=block)
    return paid


def _burned(chain: Chain, world: World, owner: str, nft: tuple[int, int], block: int) -> tuple[int, int]:
    token_id, liquidity = nft
    if not liquidity:
        return 0, 0
    terms = (token_id, liquidity, 0, 0, _NEVER_S)
    called = function(_MANAGER, "decreaseLiquidity")
    paid: tuple[int, int] = reads.ask(chain, world.position_manager, called, terms, sender=owner, block=block)
    return paid


# ------------------------------------------------------------------ judging a decision
def objections(
    said: Mapping[str, Any], found: ChainInventory, terms: Terms, last_proposed_at_s: int | None
) -> list[str]:
    """List what is wrong with a decision, given the book as the chain tells it."""
    deviation_bps = found.base_share_bps - terms.target_bps
    now_s = int(said["because_of"]["block"]["timestamp_s"])
    cooling = last_proposed_at_s is not None and now_s < last_proposed_at_s + terms.cooldown_s
    wrong = [
        f"{name}: {said[name]} said, {getattr(found, name)} found"
        for name in found.__struct_fields__
        if said.get(name) is not None and int(said[name]) != getattr(found, name)
    ]
    surely_inside = abs(deviation_bps) <= terms.band_bps - terms.hysteresis_bps
    if said["type"] == "RebalanceProposed":
        if cooling:
            wrong.append("proposed within the cooldown")
        if said["trigger"] == "share_outside_band" and surely_inside:
            wrong.append(f"proposed although the share is only {deviation_bps} bps off")
        if said["trigger"] == "out_of_range" and not found.all_out_of_range:
            wrong.append("proposed although some liquidity is in range")
    elif said["reason"] == "inside_band" and abs(deviation_bps) > terms.band_bps:
        wrong.append(f"declined inside_band although the share is {deviation_bps} bps off")
    elif said["reason"] == "cooling_down" and not cooling:
        wrong.append("declined cooling_down although nothing was proposed of late")
    elif said["reason"] == "cooling_down" and surely_inside and not found.all_out_of_range:
        wrong.append("declined cooling_down although there is nothing to do")
    return wrong
