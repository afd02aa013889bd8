"""A market that moves against a book in the middle of its plans: jumps, reorgs across phases, high fees, JIT liquidity, sandwiches."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chaos_sender.faults import Found, judge, opens_a_plan, until_well
from chaos_sender.house import House
from chaos_sender.judged import judged_plans

from streams.devnet import actions
from streams.devnet.reads import minted_token_id, position, range_around

Act = Callable[[House], Awaitable[None]]

_LEAST_JUMP, _MOST_JUMP = 0.10, 0.30
_MOST_JUMPS = 3
_STORM_TIMES, _STORM_BLOCKS = 20, 25
_WIDE_TICKS, _WIDE_WETH = 9_000, 12_000 * 10**18
_JIT_WETH = 600 * 10**18
_SANDWICH_WETH = 60 * 10**18
_MOST_DEPTH = 10
_MOST_PLANS = 8
_JIT = "JIT positions around our swaps"
_SWAP = "04e45aaf"
"""exactInputSingle of the router, wherever in a multicall."""


async def jumps(house: House) -> None:
    """Let the fair price jump by 10 to 30 %, up or down, between one phase and the next, up to three times a plan.

    Others provide liquidity where it jumps to; at the end it goes back, as they do.
    """
    left, steps_before = [_MOST_JUMPS], [0]

    def jump(house: House) -> None:
        steps = sum(house.is_mined(digest) for digest in house.story.intents)
        if steps != steps_before[0] and left[0] and house.has_open_plan and house.dice.random() < 0.5:
            house.move_price(house.dice.choice((-1, 1)) * house.dice.uniform(_LEAST_JUMP, _MOST_JUMP))
            house.verdicts["jumps in the middle of a plan"] += 1
            left[0] -= 1
        steps_before[0] = steps

    price = house.devnet.flow.price_usdc
    token_id = await house.on_chain(_provide_far_and_wide, house)
    try:
        await _through_a_plan(house, jump)
    finally:
        house.devnet.flow._price.price_usdc = price
        await house.on_chain(_take_out, house, token_id)


def _provide_far_and_wide(house: House) -> int:
    world, pool, provider = house.world, house.world.pool(house.pool), house.world.accounts.traders[2]
    ticks, amounts = (
        range_around(house.chain, pool, -_WIDE_TICKS, _WIDE_TICKS),
        world.amounts(pool, _WIDE_WETH),
    )
    (receipt,) = house.chain.execute(actions.mint_position(world, provider, pool, ticks, amounts))
    return minted_token_id(receipt, world)


def _take_out(house: House, token_id: int) -> None:
    world, provider = house.world, house.world.accounts.traders[2]
    liquidity = position(house.chain, world, token_id).liquidity
    house.chain.execute(
        actions.decrease(world, provider, token_id, liquidity), actions.collect(world, provider, token_id)
    )


async def reorg_across_phases(house: House) -> None:
    """Take away a plan's blocks from some phase on, with what came after it."""
    await opens_a_plan(house)
    plan = list(house.story.plans)[-1]
    last = house.dice.choice(("withdraw", "swap", "mint"))

    def has_come() -> bool:
        own = [each for each in house.story.intents.values() if each.plan == plan and each.step == last]
        return any(house.is_mined(each.digest) for each in own) or bool(house.story.plans[plan])

    await house.until(has_come, f"a {last} is mined, or the plan ends")
    await house.on_chain(house.chain.reorg, house.dice.randint(1, _MOST_DEPTH))


async def fee_storm(house: House) -> None:
    """Let the base fee be twenty times what it was, from a plan's beginning on, for 25 blocks."""
    path = house.devnet.flow._base_fee
    await opens_a_plan(house)
    house.devnet.flow._base_fee = _Storm(path)  # type: ignore[assignment]
    try:
        await house.blocks(_STORM_BLOCKS)
    finally:
        house.devnet.flow._base_fee = path


class _Storm:
    """A base fee's path, so many times as high."""

    def __init__(self, path: Any) -> None:
        self._path = path

    def step_wei(self) -> int:
        return int(self._path.step_wei()) * _STORM_TIMES


async def jit_liquidity(house: House) -> None:
    """Add far more liquidity than the book has right before its swap, and take it out in the block after.

    Not every plan swaps, so one plan after another until it has been done once.
    """
    provider, added = house.world.accounts.traders[0], list[int]()

    def add_or_take(house: House) -> None:
        chain, world, pool = house.chain, house.world, house.world.pool(house.pool)
        for token_id in added:
            chain.send(
                actions.decrease(world, provider, token_id, position(chain, world, token_id).liquidity)
            )
            chain.send(actions.collect(world, provider, token_id))
        added.clear()
        if _waiting_swap(house) is None:
            return
        ticks, amounts = range_around(chain, pool, -60, 60), world.amounts(pool, _JIT_WETH)
        with _ahead_of_the_owner(house):
            minting = chain.send(actions.mint_position(world, provider, pool, ticks, amounts))
        house.verdicts[_JIT] += 1
        house.after_block = lambda: added.append(minted_token_id(chain.receipt(minting), world))

    for _ in range(_MOST_PLANS):
        await _through_a_plan(house, add_or_take)
        if house.verdicts[_JIT]:
            return


async def sandwicher(house: House) -> None:
    """Trade before and after the book's swaps, in the same block, in half of the attempts."""
    robber, dice = house.world.accounts.traders[1], house.dice

    def surround(house: House) -> None:
        sold = _waiting_swap(house)
        if sold is None or dice.random() < 0.5:
            return
        chain, world, pool = house.chain, house.world, house.world.pool(house.pool)
        amounts = world.amounts(pool, _SANDWICH_WETH)
        bought, amount = (pool.token1, amounts[0]) if sold == pool.token0 else (pool.token0, amounts[1])
        front = actions.swap_exact_in(world, robber, pool, sold, amount)
        gained = int(chain.call(front.to, front.data, sender=robber), 16)
        with _ahead_of_the_owner(house):
            chain.send(front)
        chain.send(actions.swap_exact_in(world, robber, pool, bought, gained))
        house.verdicts["sandwiches around our swaps"] += 1

    await _through_a_plan(house, surround)


MARKETS: Mapping[str, Act] = {
    "market: jumps of 10 to 30 % between phases": jumps,
    "market: a reorg across phases": reorg_across_phases,
    "market: fees x20 for 25 blocks": fee_storm,
    "market: JIT liquidity around our swap": jit_liquidity,
    "market: a sandwicher, half of the time": sandwicher,
}


async def turns(house: House, name: str) -> Found:
    """Let the market turn, wait until all is well again, and judge the plans that ran meanwhile too."""
    known = set(house.story.closed)
    await MARKETS[name](house)
    took_s = await until_well(house)
    found = await judge(house)
    verdict = await house.on_chain(judged_plans, house, known)
    house.verdicts += verdict.told
    return Found(took_s=took_s, lost=found.lost, doubled=found.doubled, wrong=[*found.wrong, *verdict.wrong])


# ------------------------------------------------------------------ inside
async def _through_a_plan(house: House, weather: Callable[[House], None]) -> None:
    """Let something happen before each block, from before a plan is opened until it has ended."""
    house.weather = weather
    try:
        await opens_a_plan(house)
        plan = list(house.story.plans)[-1]
        await house.until(lambda: house.story.plans[plan], "the plan ends")
    finally:
        house.weather = None
    await house.blocks(2)


def _waiting(house: House) -> list[Any]:
    """List the owner's transactions in the node's pool, by nonce."""
    pending = house.chain.rpc("txpool_content")["pending"]
    own = (sent for sender, sent in pending.items() if sender.lower() == house.owner.lower())
    return sorted((each for sent in own for each in sent.values()), key=lambda each: int(each["nonce"], 16))


def _waiting_swap(house: House) -> str | None:
    """Name the token that a waiting swap of the owner sells; None where there is none, or its bytes are not known yet."""
    waiting = _waiting(house)
    if not all(each["hash"] in house.story.attempts for each in waiting):
        return None
    for each in waiting:
        _, found, rest = each["input"].partition(_SWAP)
        if found:
            return "0x" + rest[24:64]
    return None


@contextmanager
def _ahead_of_the_owner(house: House) -> Iterator[None]:
    """Put what is sent inside before the owner's transactions: the node mines in the order in which it was given them."""
    raw = [house.story.attempts[each["hash"]][1].raw for each in _waiting(house)]
    for each in reversed(_waiting(house)):
        house.chain.rpc("anvil_dropTransaction", each["hash"])
    try:
        yield
    finally:
        for each in raw:
            house.chain.rpc("eth_sendRawTransaction", each)
