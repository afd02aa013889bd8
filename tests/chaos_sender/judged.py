"""Check ended plans against the book without their swap, against their duration, and against the foreseen cost."""

from collections import Counter
from collections.abc import Iterator

import msgspec
from chaos_sender.house import House
from chaos_sender.setting import FINAL_DEPTH_BLOCKS, policy_of

from pipeline.book.inventory import WHOLE_BPS
from pipeline.math.amounts import range_amounts
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.messages.decisions import PlanClosed, PlanOpened
from pipeline.units import Liquidity, RawAmount, SqrtPriceX96, Tick
from streams.devnet.reads import balance, position, slot0, token_ids
from streams.outcome_words import outcome_text

TOLERANCE_BPS = 150
"""Half of `max_slippage`: the bound that docs/stream.md states."""
MARGIN_BPS = 10
"""Of the notional, beyond the foreseen cost."""
_BLOCK_S = 12
_MOVES = frozenset({"withdraw", "swap", "mint"})


class Verdict(msgspec.Struct):
    """What the plans of an act came to."""

    told: Counter[str]
    wrong: list[str]


def judged_plans(house: House, known: set[str]) -> Verdict:
    """Judge every plan that has ended since and moved something, on the chain as it is now."""
    verdict = Verdict(Counter(), [])
    for name, closed in house.story.closed.items():
        opened = house.story.opened.get(name)
        if name in known or opened is None or closed.cost is None or not closed.cost.transactions:
            continue
        verdict.told["plans judged"] += 1
        for what, wrong in _faults(house, opened, closed):
            verdict.told[what] += 1
            if wrong:
                verdict.wrong.append(wrong)
                house.judged_wrong.append(name)
    return verdict


def _faults(house: House, opened: PlanOpened, closed: PlanClosed) -> Iterator[tuple[str, str]]:
    deviations = _deviations(house, opened.plan)
    if deviations is not None and deviations[0] > deviations[1] + TOLERANCE_BPS:
        ours, idle = deviations
        text = f"plan {opened.plan} left {ours} bps off the target, {idle} without it ({outcome_text(closed.outcome)})"
        yield "plans that left it worse than doing nothing", text
    took_s = _at_s(closed) - _at_s(opened)
    policy = policy_of(house.world, house.pool)
    if took_s > policy.action.stall_after_s + FINAL_DEPTH_BLOCKS * _BLOCK_S:
        yield "plans stuck", f"plan {opened.plan} took {took_s} s ({outcome_text(closed.outcome)})"
    if closed.cost is not None and closed.cost.paid is not None and opened.foreseen is not None:
        most = opened.foreseen.total + opened.notional_quote * MARGIN_BPS // WHOLE_BPS
        over_bps = -((opened.foreseen.total - closed.cost.paid) * WHOLE_BPS // opened.notional_quote)
        within = closed.cost.paid <= most
        yield "plans within the foreseen cost + 10 bps" if within else "plans dearer than that", ""
        house.over_bps.append(over_bps)


def _at_s(said: PlanOpened | PlanClosed) -> int:
    assert said.because_of.block is not None
    return said.because_of.block.timestamp_s


def _deviations(house: House, plan: str) -> tuple[int, int] | None:
    """Tell how far off its target a plan's swap leaves the book, and how far off it would be without that swap.

    Both at the price at the end of its block, by the chain itself. The book without it is that of the block before: nobody knows
    how the price moves from the withdrawal to there, and a range that were still there would follow it many times as far.
    Of a plan without a swap it is the last step, and the book before the first; None where nothing of the plan is there.
    """
    blocks = {step: block for block, step in sorted(_mined(house, plan)) if step in _MOVES}
    if not blocks:
        return None
    last = blocks.get("swap", max(blocks.values()))
    price_x96 = SqrtPriceX96(slot0(house.chain, house.world.pool(house.pool), block=last).sqrt_price_x96)
    before = (last if "swap" in blocks else min(blocks.values())) - 1
    return _deviation(house, last, price_x96), _deviation(house, before, price_x96)


def _deviation(house: House, block: int, price_x96: SqrtPriceX96) -> int:
    """Tell how far off its target the share of what the owner has at the end of a block would be at a price, in bps."""
    chain, world, owner = house.chain, house.world, house.owner
    pool = world.pool(house.pool)
    held = [balance(chain, token, owner, block=block) for token in (pool.token0, pool.token1)]
    held[pool.token1 == world.weth] += int(chain.rpc("eth_getBalance", owner, hex(block)), 16)
    for token_id in token_ids(chain, world, owner, block=block):
        nft = position(chain, world, token_id, block=block)
        ticks = Tick(nft.lower), Tick(nft.upper)
        amounts = range_amounts(price_x96, *ticks, Liquidity(nft.liquidity), round_up=False)
        owed = nft.owed0, nft.owed1
        held = [mine + more + due for mine, more, due in zip(held, amounts, owed, strict=True)]
    base_is_0 = pool.token0 == world.weth
    base, quote = held if base_is_0 else reversed(held)
    worth = (value_in_token1 if base_is_0 else value_in_token0)(RawAmount(base), price_x96)
    target = policy_of(world, house.pool).strategy.target_share_bps
    return abs(worth * WHOLE_BPS // (worth + quote) - target)


def _mined(house: House, plan: str) -> Iterator[tuple[int, str]]:
    """List a plan's transactions that succeeded on the branch as it is: block and step."""
    story = house.story
    for hash_, (digest, attempt) in story.attempts.items():
        intent = story.intents.get(digest)
        if intent is None or intent.plan != plan or attempt.cancels:
            continue
        receipt = house.chain.rpc("eth_getTransactionReceipt", hash_)
        if receipt is not None and receipt["status"] == "0x1":
            yield int(receipt["blockNumber"], 16), intent.step
