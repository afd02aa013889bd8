"""Random transactions on a pool without end, with many at the bounds of numbers."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from v3_follower import Follower

from pipeline.math.ticks import MAX_SQRT_PRICE_X96, MIN_SQRT_PRICE_X96, sqrt_price_at_tick
from pipeline.units import Tick
from streams.devnet import actions, direct_calls
from streams.devnet.transactions import Tx
from streams.devnet.world import MAX_TICK, DevnetPool, Pair, World

Act = Callable[[], Tx | None]


@dataclass
class Actors:
    """The accounts that act on one pool."""

    rng: random.Random
    world: World
    pool: DevnetPool
    follower: Follower
    most: Pair
    """The greatest amounts of token0 and token1 that a swap asks for, as powers of ten."""
    most_liquidity: int
    """As a power of ten."""

    def act(self) -> Tx:
        """Return a random transaction that may succeed."""
        acts: list[tuple[Act, int]] = [
            (self.swap, 18),
            (self.mint, 3),
            (self.burn, 2),
            (self.collect, 2),
            (self.mint_nft, 3),
            (self.increase, 2),
            (self.decrease, 3),
            (self.collect_nft, 4),
            (self.leave, 1),
            (self.transfer, 1),
            (self.flash, 1),
            (self.protocol, 1),
            (self.grow, 1),
        ]
        while True:
            (chosen,) = self.rng.choices([act for act, _ in acts], [weight for _, weight in acts])
            tx = chosen()
            if tx is not None:
                return tx

    def swap(self) -> Tx:
        down = self.rng.random() < 0.5
        amount = self.amount(self.rng.randrange(2)) * self.rng.choice((1, 1, -1))
        limit_x96 = self.limit_x96(down=down) if self.rng.random() < 0.5 else None
        return direct_calls.swap_directly(
            self.world, self.someone(), self.pool, zero_for_one=down, amount=amount, limit_x96=limit_x96
        )

    def mint(self) -> Tx:
        return direct_calls.mint_directly(
            self.world, self.someone(), self.pool, self.ticks(), self.liquidity()
        )

    def burn(self) -> Tx | None:
        held = self._held_by(self.world.callee)
        if not held:
            return None
        ticks, liquidity = self.rng.choice(held)
        part = self.rng.choice((0, 1, liquidity // 3, liquidity, liquidity))
        return direct_calls.burn_directly(self.world, self.someone(), self.pool, ticks, part)

    def collect(self) -> Tx:
        held = self._held_by(self.world.callee)
        never = self.rng.random() < 0.2 or not held
        ticks = self.ticks() if never else self.rng.choice(held)[0]
        amounts = self.rng.choice((actions.EVERYTHING, self._part(), (0, 1)))
        return direct_calls.collect_directly(self.world, self.someone(), self.pool, ticks, amounts)

    def mint_nft(self) -> Tx | None:
        if len(self.follower.nfts) > 14:
            return None
        owner = self.rng.choice(self.world.accounts.owners)
        return actions.mint_position(self.world, owner, self.pool, self.ticks(), self._ample())

    def increase(self) -> Tx | None:
        found = self._nft()
        if found is None:
            return None
        owner, token_id, _ = found
        return actions.increase(self.world, owner, token_id, self._ample())

    def decrease(self) -> Tx | None:
        found = self._nft()
        if found is None:
            return None
        owner, token_id, liquidity = found
        part = self.rng.choice((1, liquidity // 2, liquidity))
        return actions.decrease(self.world, owner, token_id, part) if 0 < part <= liquidity else None

    def collect_nft(self) -> Tx | None:
        """Collect an NFT's fees; one account does so far more often than the others."""
        found = self._nft(self.rng.choice((None, None, 0)))
        if found is None:
            return None
        owner, token_id, _ = found
        amounts = self.rng.choice((actions.EVERYTHING, actions.EVERYTHING, self._part(), (1, 0)))
        return actions.collect(self.world, owner, token_id, amounts_max=amounts)

    def leave(self) -> Tx | None:
        """Burn an NFT, which succeeds once it is empty."""
        found = self._nft()
        if found is None:
            return None
        owner, token_id, _ = found
        return actions.burn_position(self.world, owner, token_id)

    def transfer(self) -> Tx | None:
        found = self._nft()
        if found is None:
            return None
        owner, token_id, _ = found
        return actions.transfer_nft(self.world, owner, self.rng.choice(self.world.accounts.owners), token_id)

    def flash(self) -> Tx:
        amounts = self.rng.choice(((self.amount(0), self.amount(1)), (self.amount(0), 0), (0, 0)))
        return direct_calls.flash(self.world, self.someone(), self.pool, amounts)

    def protocol(self) -> Tx:
        if self.rng.random() < 0.5:
            fees = self.rng.choice(((0, 0), (4, 10), (5, 0), (0, 7), (10, 4)))
            return actions.set_protocol_fee(self.world, self.pool, *fees)
        amounts = self.rng.choice((actions.EVERYTHING, self._part()))
        return actions.collect_protocol(self.world, self.pool, self.someone(), amounts_max=amounts)

    def grow(self) -> Tx:
        following = self.follower.live.observation_cardinality_next
        return actions.grow_observations(
            self.pool, self.someone(), min(following + self.rng.randrange(4), 30)
        )

    def someone(self) -> str:
        return self.rng.choice(self.world.accounts.spare)

    def amount(self, token: int) -> int:
        """Draw an amount from dust to more than the ranges hold, evenly over magnitudes."""
        return max(int(10 ** self.rng.uniform(0, self.most[token])), 1)

    def liquidity(self) -> int:
        return max(int(10 ** self.rng.uniform(0, self.most_liquidity)), 1)

    def ticks(self) -> Pair:
        """Draw a range: an existing one, one around the price, one with ends at bitmap words, or any."""
        spacing, tick = self.pool.tick_spacing, self.follower.live.tick
        edge = MAX_TICK // spacing
        here = tick // spacing
        word = here // 256 * 256
        taken = [(lower, upper) for _, lower, upper in self.follower.live.positions]
        kind = self.rng.random()
        if kind < 0.4 and taken:
            return self.rng.choice(taken)
        if kind < 0.7:
            places = here - self.rng.randrange(-3, 12), here + self.rng.randrange(-3, 12)
        elif kind < 0.9:
            places = word + self.rng.choice((0, -1, -256)), word + self.rng.choice((255, 256, 511))
        else:
            places = self.rng.choice((-edge, here - 700)), self.rng.choice((edge, here + 700))
        lower, upper = max(min(places), -edge), min(max(places), edge)
        return (lower * spacing, upper * spacing) if lower < upper else (-edge * spacing, edge * spacing)

    def limit_x96(self, *, down: bool) -> int:
        """Draw a limit price: just beside or exactly on a tick or a bitmap word's edge, or farther away."""
        live, spacing = self.follower.live, self.pool.tick_spacing
        price_x96 = live.sqrt_price_x96
        word = live.tick // spacing // 256 * 256
        ticks = [*live.initialized, *((word + place) * spacing for place in (-1, 0, 255, 256))]
        on_tick = [sqrt_price_at_tick(Tick(t)) for t in ticks if abs(t) <= MAX_TICK]
        beyond = sorted(x for x in on_tick if (x < price_x96 if down else x > price_x96))
        nearest = (beyond[-2:] if down else beyond[:2]) or [price_x96]
        some_way = int(price_x96 * (1 + self.rng.uniform(0, 0.02) * (-1 if down else 1)))
        step = -1 if down else 1
        chosen = self.rng.choice((*nearest, *(x + step for x in nearest), price_x96 + step, some_way))
        return min(max(chosen, MIN_SQRT_PRICE_X96 + 1), MAX_SQRT_PRICE_X96 - 1)

    def _ample(self) -> Pair:
        return self.amount(0), self.amount(1)

    def _part(self) -> Pair:
        most = actions.EVERYTHING[0]
        return min(self.amount(0), most), min(self.amount(1), most)

    def _held_by(self, owner: str) -> list[tuple[Pair, int]]:
        positions = self.follower.live.positions.items()
        return [((lower, upper), held.liquidity) for (who, lower, upper), held in positions if who == owner]

    def _nft(self, place: int | None = None) -> tuple[str, int, int] | None:
        """Choose an NFT as (owner, id, liquidity), and unlock its owner."""
        nfts = sorted(self.follower.nfts.items())
        if not nfts:
            return None
        token_id, nft = self.rng.choice(nfts) if place is None else nfts[place]
        return nft.owner, token_id, nft.liquidity
