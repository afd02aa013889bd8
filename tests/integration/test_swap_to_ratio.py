"""Withdraw, swap and mint on real bytecode with our own calldata: as planned to the unit, and no other amount is better."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from v3_play import Play

from pipeline.act.allowances import write_approve
from pipeline.errors import DevnetError
from pipeline.math.amounts import range_amounts
from pipeline.math.slippage import least_burned, least_minted, minimum_out, price_window_x96
from pipeline.math.ticks import sqrt_price_at_tick
from pipeline.units import Address, Bps, Liquidity, Pips, RawAmount, Tick
from pipeline.venues.uniswap_v3 import SwapPlan, quote, swap_to_ratio, withdrawn
from pipeline.venues.uniswap_v3.calldata import (
    Withdrawal,
    write_mint,
    write_swap,
    write_withdraw,
)
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, minted_token_id, position, range_around, read, slot0
from streams.devnet.transactions import DevnetReceipt, Tx
from streams.devnet.world import Pair, World

pytestmark = pytest.mark.anvil

ETHER, DOLLAR = 10**18, 10**6
WIDE = Bps(500)


@dataclass
class Book:
    """An owner on one pool, and the pool as it is followed."""

    play: Play

    @property
    def owner(self) -> Address:
        return Address(self.play.world.accounts.owners[0])

    @property
    def tokens(self) -> tuple[str, str]:
        return self.play.pool.token0, self.play.pool.token1

    def in_order(self, ether: int, dollars: int) -> Pair:
        amounts = ether * ETHER, dollars * DOLLAR
        return amounts if self.play.pool.token0 == self.play.world.weth else amounts[::-1]

    def has(self) -> Pair:
        return tuple(balance(self.play.chain, token, self.owner) for token in self.tokens)

    def deadline_s(self) -> int:
        return self.play.chain.header().timestamp_s + 300

    def send(self, *calls: tuple[str, str]) -> tuple[DevnetReceipt, ...]:
        """Have the owner make calls, each a transaction, all in one block."""
        return self.play.chain.execute(*(Tx(sender=self.owner, to=to, data=data) for to, data in calls))

    def approve(self, token: str, spender: str, amount: int) -> tuple[str, str]:
        return token, write_approve(Address(spender), RawAmount(amount))

    def allowance(self, token: str, spender: str) -> int:
        return read(self.play.chain, token, "tokens/ERC20", "allowance", self.owner, spender)

    def refuses(self, call: tuple[str, str]) -> str:
        """Why a call of the owner would revert, or nothing."""
        to, data = call
        try:
            self.play.chain.call(to, data, sender=self.owner)
        except DevnetError as error:
            return str(error)
        return ""

    def withdraw(self, token_id: int, liquidity: int, minimums: Pair) -> tuple[str, str]:
        leaving = Withdrawal(
            token_id=token_id, liquidity=liquidity, minimum0=minimums[0], minimum1=minimums[1]
        )
        data = write_withdraw([leaving], recipient=self.owner, deadline_s=self.deadline_s())
        return self.play.world.position_manager, data

    def swap(self, plan: SwapPlan, amount_in: int, least: int = 0) -> tuple[str, str]:
        sold, bought = self.tokens if plan.zero_for_one else self.tokens[::-1]
        data = write_swap(
            token_in=sold,
            token_out=bought,
            fee_pips=self.play.pool.fee_pips,
            recipient=self.owner,
            amount_in=amount_in,
            minimum_out=least,
            limit_x96=plan.limit_x96,
            deadline_s=self.deadline_s(),
        )
        return self.play.world.router, data

    def mint(self, ticks: Pair, amounts: Pair, minimums: Pair = (0, 0)) -> tuple[str, str]:
        data = write_mint(
            token0=self.play.pool.token0,
            token1=self.play.pool.token1,
            fee_pips=self.play.pool.fee_pips,
            ticks=ticks,
            amounts=amounts,
            minimums=minimums,
            recipient=self.owner,
            deadline_s=self.deadline_s(),
        )
        return self.play.world.position_manager, data

    def minted(self, receipt: DevnetReceipt) -> int:
        """The liquidity of the NFT that a mint made."""
        token_id = minted_token_id(receipt, self.play.world)
        return position(self.play.chain, self.play.world, token_id).liquidity

    def tried(self, plan: SwapPlan, held: Pair, ticks: Pair, amounts_in: Iterable[int]) -> dict[int, int]:
        """Swap each amount, mint what is then held, take both back; the liquidity that it made by amount."""
        chain, made = self.play.chain, {}
        sold = 0 if plan.zero_for_one else 1
        before = self.has()
        for amount_in in amounts_in:
            if not 0 <= amount_in <= held[sold]:
                continue
            was = chain.rpc("evm_snapshot")
            if amount_in:
                self.send(self.swap(plan, amount_in))
            now = self.has()
            (receipt,) = self.send(self.mint(ticks, tuple(held[i] + now[i] - before[i] for i in (0, 1))))
            made[amount_in] = self.minted(receipt)
            assert chain.rpc("evm_revert", was)
        return made


def book_on(chain: Chain, world: World, name: str) -> Book:
    """A pool with a tick every 0.1 % about its price and a protocol fee, followed to its head."""
    pool = world.pool(name)
    play = Play(chain, world, pool, seed=1, most=(21, 13), most_liquidity=18)
    provider = world.accounts.providers[0]
    here = slot0(chain, pool).tick // pool.tick_spacing * pool.tick_spacing
    narrow = ((here + off, here + off + 10) for off in (-40, -30, -20, -10, 10, 20, 30, 40))
    thin = world.amounts(pool, 2 * ETHER)
    chain.execute(
        *(actions.mint_position(world, provider, pool, ticks, thin) for ticks in narrow),
        actions.set_protocol_fee(world, pool, 4, 10),
    )
    play.follow()
    return Book(play)


@pytest.mark.parametrize("name", ["weth_usdc_low_500", "weth_usdc_high_500"])
@pytest.mark.parametrize(("ether", "dollars"), [(280, 0), (0, 900_000)], ids=["ether", "dollars"])
def test_a_rerange(chain: Chain, world: World, name: str, ether: int, dollars: int) -> None:
    book = book_on(chain, world, name)
    play, pool = book.play, book.play.pool

    # a position that has earned something
    first = range_around(chain, pool, -400, 400)
    (receipt,) = book.send(book.mint(first, book.in_order(25, 75_000)))
    token_id, liquidity = minted_token_id(receipt, world), book.minted(receipt)
    trader = world.accounts.traders[0]
    chain.execute(*(actions.swap_exact_in(world, trader, pool, token, 10**10) for token in book.tokens))
    play.follow()
    without = withdrawn(play.follower.live, [(Tick(first[0]), Tick(first[1]), Liquidity(liquidity))])

    # withdraw
    before = book.has()
    window = price_window_x96(play.follower.live.sqrt_price_x96, Bps(50))
    book.send(book.withdraw(token_id, liquidity, least_burned(liquidity, *map(Tick, first), window)))
    play.follow()
    live = play.follower.live
    held = tuple(
        now - was + more
        for now, was, more in zip(book.has(), before, book.in_order(ether, dollars), strict=True)
    )
    assert held[0] > book.in_order(ether, dollars)[0]
    assert held[1] > book.in_order(ether, dollars)[1]

    # plan
    ticks = range_around(chain, pool, -300, 360)
    window = price_window_x96(live.sqrt_price_x96, WIDE)
    plan = swap_to_ratio(live, *held, *ticks, window_x96=window)
    assert plan == swap_to_ratio(without, *held, *ticks, window_x96=window)
    assert plan.zero_for_one == ((pool.token0 == world.weth) == bool(ether))
    assert not plan.limited
    low_x96, high_x96 = sorted((live.sqrt_price_x96, plan.sqrt_price_after_x96))
    assert sum(low_x96 < sqrt_price_at_tick(tick) < high_x96 for tick in live.initialized) >= 3

    # no other amount makes more: near, farther, and from end to end
    sold, bought = (0, 1) if plan.zero_for_one else (1, 0)
    near = (plan.amount_in + off for off in (-1000, -999, -317, *range(-9, 10), 317, 999, 1000))
    farther = (plan.amount_in + sign * 10**power for power in range(4, 20) for sign in (-1, 1))
    whole = (held[sold] * part // 32 for part in range(32))  # without any of one token nothing is minted
    made = book.tried(plan, held, ticks, (*near, *farther, *whole))
    assert len(made) > 60
    assert made[plan.amount_in] == plan.liquidity == max(made.values())
    assert plan.amount_in == min(amount_in for amount_in, best in made.items() if best == plan.liquidity)

    # swap
    before = book.has()
    least = minimum_out(
        plan.amount_in, live.sqrt_price_x96, Pips(pool.fee_pips), WIDE, zero_for_one=plan.zero_for_one
    )
    assert 0 < least < plan.amount_out
    book.send(
        book.approve(book.tokens[sold], world.router, plan.amount_in), book.swap(plan, plan.amount_in, least)
    )
    after = book.has()
    assert (before[sold] - after[sold], after[bought] - before[bought]) == (plan.amount_in, plan.amount_out)
    play.follow()
    assert play.follower.live.sqrt_price_x96 == plan.sqrt_price_after_x96

    # mint
    offered = plan.amount0, plan.amount1
    minimums = least_minted(*offered, *map(Tick, ticks), price_window_x96(plan.sqrt_price_after_x96, Bps(50)))
    manager = world.position_manager
    *_, receipt = book.send(
        *(book.approve(token, manager, amount) for token, amount in zip(book.tokens, offered, strict=True)),
        book.mint(ticks, offered, minimums),
    )
    left = tuple(offered[i] - (after[i] - book.has()[i]) for i in (0, 1))
    assert (book.minted(receipt), left) == (plan.liquidity, (plan.left_over0, plan.left_over1))

    # of one token less is left than one more unit of liquidity costs, and of the other no more than dust
    dearer = range_amounts(
        plan.sqrt_price_after_x96, *map(Tick, ticks), Liquidity(plan.liquidity + 1), round_up=True
    )
    assert offered[0] < dearer[0] or offered[1] < dearer[1]
    weth = 0 if pool.token0 == world.weth else 1
    assert left[weth] < 10**9  # wei: a millionth of a dollar
    assert left[1 - weth] <= 1

    # what was allowed is used up, or taken back
    assert book.allowance(book.tokens[sold], world.router) == 0
    assert tuple(book.allowance(token, manager) for token in book.tokens) == left
    book.send(*(book.approve(token, manager, 0) for token in book.tokens))
    assert [book.allowance(token, manager) for token in book.tokens] == [0, 0]


def simulated(book: Book, swap: tuple[str, str] | None, mint: tuple[str, str]) -> tuple[int, int]:
    """Swap and mint in one simulation on the head: what the swap brought, the liquidity that the mint made."""
    calls = [
        {"from": book.owner, "to": to, "data": data, "gas": hex(2_000_000)}
        for to, data in filter(None, (swap, mint))
    ]
    request = {"blockStateCalls": [{"calls": calls}], "validation": False}
    (block,) = book.play.chain.rpc("eth_simulateV1", request, "latest")
    *swapped, minted = block["calls"]
    words = [bytes.fromhex(each["returnData"][2:]) for each in swapped]
    brought = [int.from_bytes(word[-32:], "big") for word in words]
    if minted["status"] != "0x1":
        return (brought or [0])[0], 0
    return (brought or [0])[0], int(minted["returnData"][2:][64:128], 16)


@pytest.mark.parametrize("name", ["weth_usdc_low_500", "weth_usdc_high_500"])
@pytest.mark.parametrize(("ether", "dollars"), [(280, 0), (0, 900_000)], ids=["ether", "dollars"])
def test_no_amount_within_a_thousand_units_makes_more(
    chain: Chain, world: World, name: str, ether: int, dollars: int
) -> None:
    """All 2,001 of them, on the bytecode, over three ticks and more: not one makes more liquidity, no lesser one as much."""
    book = book_on(chain, world, name)
    live, pool = book.play.follower.live, book.play.pool
    held, ticks = book.in_order(ether, dollars), range_around(chain, pool, -300, 360)
    plan = swap_to_ratio(live, *held, *ticks, window_x96=price_window_x96(live.sqrt_price_x96, WIDE))
    low_x96, high_x96 = sorted((live.sqrt_price_x96, plan.sqrt_price_after_x96))
    assert sum(low_x96 < sqrt_price_at_tick(tick) < high_x96 for tick in live.initialized) >= 3
    made = {}
    for amount_in in range(plan.amount_in - 1000, plan.amount_in + 1001):
        told = quote(live, RawAmount(amount_in), zero_for_one=plan.zero_for_one, limit_x96=plan.limit_x96)
        after = held[0] - told.amount0_delta, held[1] - told.amount1_delta
        brought, made[amount_in] = simulated(book, book.swap(plan, amount_in), book.mint(ticks, after))
        assert brought == -(told.amount1_delta if plan.zero_for_one else told.amount0_delta)
    assert len(made) == 2_001
    best = max(made.values())
    assert made[plan.amount_in] == plan.liquidity == best
    assert plan.amount_in == min(amount_in for amount_in, liquidity in made.items() if liquidity == best)


@pytest.mark.parametrize("name", ["weth_usdc_low_500", "weth_usdc_high_500"])
@pytest.mark.parametrize(("ether", "dollars"), [(280, 5), (5, 900_000)], ids=["ether", "dollars"])
def test_a_swap_that_its_window_stops(
    chain: Chain, world: World, name: str, ether: int, dollars: int
) -> None:
    book = book_on(chain, world, name)
    live, pool = book.play.follower.live, book.play.pool
    held, ticks = book.in_order(ether, dollars), range_around(chain, pool, -300, 360)
    plan = swap_to_ratio(live, *held, *ticks, window_x96=price_window_x96(live.sqrt_price_x96, Bps(15)))
    assert plan.limited
    sold = 0 if plan.zero_for_one else 1
    near = (plan.amount_in + off for off in (-1000, *range(-3, 4), 1000))
    whole = (held[sold] * part // 16 for part in range(17))  # the limit leaves what it does not take
    made = book.tried(plan, held, ticks, (*near, *whole))
    assert made[plan.amount_in] == plan.liquidity == max(made.values())
    assert plan.amount_in == min(amount_in for amount_in, best in made.items() if best == plan.liquidity)


@pytest.mark.parametrize("name", ["weth_usdc_low_500", "weth_usdc_high_500"])
def test_what_was_planned_does_not_happen_at_another_price(chain: Chain, world: World, name: str) -> None:
    """Somebody trades first, either way: least amounts, price limit and deadline hold on the real contracts."""
    book = book_on(chain, world, name)
    play, pool, trader = book.play, book.play.pool, world.accounts.traders[0]
    first = range_around(chain, pool, -400, 400)
    (receipt,) = book.send(book.mint(first, book.in_order(25, 75_000)))
    token_id, liquidity = minted_token_id(receipt, world), book.minted(receipt)
    play.follow()
    live = play.follower.live
    narrow = price_window_x96(live.sqrt_price_x96, Bps(50))
    held, ticks = book.in_order(25, 0), range_around(chain, pool, -300, 360)
    plan = swap_to_ratio(live, *held, *ticks, window_x96=narrow)
    least = minimum_out(
        plan.amount_in, live.sqrt_price_x96, Pips(pool.fee_pips), Bps(50), zero_for_one=plan.zero_for_one
    )
    swap = book.swap(plan, plan.amount_in, least)
    withdraw = book.withdraw(token_id, liquidity, least_burned(liquidity, *map(Tick, first), narrow))
    balanced = book.in_order(25, 75_000)
    mint = book.mint(ticks, balanced, least_minted(*balanced, *map(Tick, ticks), narrow))
    assert [book.refuses(call) for call in (swap, withdraw, mint)] == ["", "", ""]

    for token, amount in ((world.weth, 900 * ETHER), (world.usdc_of(pool), 2_700_000 * DOLLAR)):
        was = chain.rpc("evm_snapshot")
        chain.execute(actions.swap_exact_in(world, trader, pool, token, amount))
        if token == world.weth:  # the price is below the limit, where nothing is sold any more
            assert book.refuses(swap)
        assert "Price slippage check" in book.refuses(withdraw)
        assert "Price slippage check" in book.refuses(mint)
        assert chain.rpc("evm_revert", was)

    chain.rpc("evm_setNextBlockTimestamp", chain.header().timestamp_s + 301)
    chain.mine()
    assert all("too old" in book.refuses(call).lower() for call in (swap, withdraw, mint))
