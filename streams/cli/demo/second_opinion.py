"""Recompute a book from the chain's own answers at one block, without any code of the pipeline.

Burning and collecting are asked of the contracts as if the owner did it; prices come from slot0.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import floor
from typing import Any

import msgspec

from pipeline.venues.abi import function
from streams.devnet import reads
from streams.devnet.aave import AaveTokens
from streams.devnet.chain import Chain
from streams.devnet.world import DevnetPool, World

_MANAGER = "uniswap-v3/NonfungiblePositionManager"
_ALL = 2**128 - 1
_NEVER_S = 2**256 - 1
_WHOLE_BPS = 10_000
HEDGE_TRIGGERS = frozenset({"net_outside_band", "health_low", "leg_failed", "unwind"})


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
    lending: tuple[AaveTokens, ...] = ()
    """Reserves of a market where the owner's collateral and debt count."""
    pools: tuple[DevnetPool, ...]
    reference: DevnetPool
    target_bps: int
    band_bps: int
    hysteresis_bps: int
    cooldown_s: int
    hedge_act_bps: int = 0
    """Of a hedged book: so far from neutral, in shares of all its base, it acts."""


class ChainInventory(msgspec.Struct, frozen=True, kw_only=True):
    """A book at a block, by the chain alone."""

    base_amount: int
    base_owed: int
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
    owed = {
        each.asset: reads.balance(chain, each.debt_token, terms.owner, block=block) for each in terms.lending
    }
    for each in terms.lending:
        held[each.asset] += reads.balance(chain, each.a_token, terms.owner, block=block) - owed[each.asset]
    held[world.weth] += int(chain.rpc("eth_getBalance", terms.owner, hex(block)), 16)
    values = {token: floor(held[token] * price) for token, price in prices.items()}
    base_value, value = values[world.weth], sum(values.values())
    return ChainInventory(
        base_amount=held[world.weth],
        base_owed=owed.get(world.weth, 0),
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
    of_hedge = said.get("trigger") in HEDGE_TRIGGERS
    compared = set(found.__struct_fields__) - ({"base_to_buy"} if of_hedge else set())
    wrong = [
        f"{name}: {said[name]} said, {getattr(found, name)} found"
        for name in sorted(compared)
        if said.get(name) is not None and int(said[name]) != getattr(found, name)
    ]
    if of_hedge:
        return [*wrong, *_against_hedge(said, found, terms)]
    now_s = int(said["because_of"]["block"]["timestamp_s"])
    cooling = last_proposed_at_s is not None and now_s < last_proposed_at_s + terms.cooldown_s
    judge = _against_proposal if said["type"] == "RebalanceProposed" else _against_refusal
    return [*wrong, *judge(said, found, terms, cooling=cooling)]


def _against_hedge(said: Mapping[str, Any], found: ChainInventory, terms: Terms) -> Iterator[str]:
    """Object to a step of a hedge of all base whose net exposure is near enough to nothing."""
    long = found.base_amount + found.base_owed
    near = abs(found.base_amount) * _WHOLE_BPS <= long * terms.hedge_act_bps
    if said["trigger"] == "net_outside_band" and near:
        yield f"proposed although the net exposure is only {found.base_amount} of {long}"


def _against_proposal(
    said: Mapping[str, Any], found: ChainInventory, terms: Terms, *, cooling: bool
) -> Iterator[str]:
    off_bps = found.base_share_bps - terms.target_bps
    if cooling:
        yield "proposed within the cooldown"
    if said["trigger"] == "share_outside_band" and _surely_inside(found, terms):
        yield f"proposed although the share is only {off_bps} bps off"
    if said["trigger"] == "out_of_range" and not found.all_out_of_range:
        yield "proposed although some liquidity is in range"


def _against_refusal(
    said: Mapping[str, Any], found: ChainInventory, terms: Terms, *, cooling: bool
) -> Iterator[str]:
    off_bps = found.base_share_bps - terms.target_bps
    if said["reason"] == "inside_band" and abs(off_bps) > terms.band_bps:
        yield f"declined inside_band although the share is {off_bps} bps off"
    if said["reason"] == "cooling_down" and not cooling:
        yield "declined cooling_down although nothing was proposed of late"
    if (
        said["reason"] == "cooling_down"
        and cooling
        and _surely_inside(found, terms)
        and not found.all_out_of_range
    ):
        yield "declined cooling_down although there is nothing to do"


def _surely_inside(found: ChainInventory, terms: Terms) -> bool:
    return abs(found.base_share_bps - terms.target_bps) <= terms.band_bps - terms.hysteresis_bps
