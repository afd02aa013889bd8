"""Plans that have ended, held against what doing nothing would have left, against their time and against what was foreseen."""

from collections import Counter
from collections.abc import Iterator

import msgspec
from chaos_sender.house import House
from chaos_sender.setting import FINAL_DEPTH_BLOCKS, policy_of

from pipeline.inventory import WHOLE_BPS
from pipeline.math.amounts import range_amounts
from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.messages.decisions import PlanClosed, PlanOpened
from streams.devnet.reads import balance, position, slot0, token_ids

TOLERANCE_BPS = 150
"""Half of `max_slippage`: the bound that docs/stream.md states."""
MARGIN_BPS = 10
"""Of the notional, beyond the foreseen cost."""
_BLOCK_S = 12


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
            verdict.wrong += [wrong] if wrong else []
    return verdict


def _faults(house: House, opened: PlanOpened, closed: PlanClosed) -> Iterator[tuple[str, str]]:
    idle = _idle_deviation(house, opened.plan)
    if idle is not None and closed.deviation_after_bps is not None:
        ours = abs(closed.deviation_after_bps)
        if ours > idle + TOLERANCE_BPS:
            text = f"plan {opened.plan} ended {ours} bps off its target, {idle} without it ({closed.outcome})"
            yield "plans that ended worse than doing nothing", text
    took_s = _at_s(closed) - _at_s(opened)
    policy = policy_of(house.world, house.pool)
    if took_s > policy.action.stall_after_s + FINAL_DEPTH_BLOCKS * _BLOCK_S:
        yield "plans stuck", f"plan {opened.plan} took {took_s} s ({closed.outcome})"
    if closed.cost is not None and closed.cost.paid is not None and opened.foreseen is not None:
        most = opened.foreseen.total + opened.notional_quote * MARGIN_BPS // WHOLE_BPS
        over_bps = -((opened.foreseen.total - closed.cost.paid) * WHOLE_BPS // opened.notional_quote)
        within = closed.cost.paid <= most
        yield "plans within the foreseen cost + 10 bps" if within else "plans dearer than that", ""
        house.over_bps.append(over_bps)


def _at_s(said: PlanOpened | PlanClosed) -> int:
    assert said.because_of.block is not None
    return said.because_of.block.timestamp_s


def _idle_deviation(house: House, plan: str) -> int | None:
    """Tell how far off the book would be now, had the plan sent nothing: what it had before, at the present price."""
    first = _first_block(house, plan)
    if first is None:
        return None
    chain, world, owner, block = house.chain, house.world, house.owner, first - 1
    pool, price_x96 = world.pool(house.pool), slot0(chain, world.pool(house.pool)).sqrt_price_x96
    held = [balance(chain, token, owner, block=block) for token in (pool.token0, pool.token1)]
    native = int(chain.rpc("eth_getBalance", owner, hex(block)), 16)
    held[pool.token1 == world.weth] += native
    for token_id in token_ids(chain, world, owner, block=block):
        nft = position(chain, world, token_id, block=block)
        amounts = range_amounts(price_x96, nft.lower, nft.upper, nft.liquidity, round_up=False)
        owed = nft.owed0, nft.owed1
        held = [mine + more + due for mine, more, due in zip(held, amounts, owed, strict=True)]
    base_is_0 = pool.token0 == world.weth
    base, quote = held if base_is_0 else reversed(held)
    worth = (value_in_token1 if base_is_0 else value_in_token0)(base, price_x96)
    target = policy_of(world, house.pool).strategy.target_share_bps
    return abs(worth * WHOLE_BPS // (worth + quote) - target)


def _first_block(house: House, plan: str) -> int | None:
    """Find the block of a plan's first transaction that moved tokens, on the branch as it is."""
    story = house.story
    own = [
        hash_
        for hash_, (digest, attempt) in story.attempts.items()
        if not attempt.cancels and digest in story.intents and story.intents[digest].plan == plan
    ]
    receipts = (house.chain.rpc("eth_getTransactionReceipt", hash_) for hash_ in own)
    return min((int(each["blockNumber"], 16) for each in receipts if each is not None), default=None)
