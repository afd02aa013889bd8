"""A signer's terms at Uniswap V3: the pools of its deployments, and the prices by which it judges."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from pipeline.fee_tiers import spot_log_bps_of
from pipeline.messages.chain_profile import UNISWAP_V3
from pipeline.units import Address, Bps, LogBps, Seconds
from streams.submit.venues.port import Appraiser, Judging, KnownCall, StateQuestion
from streams.submit.venues.uniswap_v3 import calldata
from streams.submit.venues.uniswap_v3.pool_logs import liquidity_changes

if TYPE_CHECKING:
    from streams.submit.node import SimulatedLog
    from streams.submit.simulation import Effect

WITHDRAWING_LOG_BPS = LogBps(6_932)
"""100 %, as a signer's file writes it: twice a reference's price, or half of it. Rounds: to the nearest step."""


class PricedPool(msgspec.Struct, frozen=True, kw_only=True):
    """A pool in which tokens may be traded, and whose own mean price values them."""

    address: Address
    token0: Address
    token1: Address
    fee_pips: int


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """A Chainlink feed that prices one token of a pair in the other."""

    address: Address
    base: Address
    """Whose price the feed states, in whole tokens of `quote`."""
    quote: Address
    base_decimals: int
    quote_decimals: int
    max_age_s: Seconds
    deviation_bps: Bps = Bps(50)
    """How far the market may move before the feed must follow."""


class References(msgspec.Struct, frozen=True, kw_only=True):
    """The references of a pair, beside the pool that an intent acts in and the pair's deepest pool."""

    pools: tuple[PricedPool, ...] = ()
    feeds: tuple[Feed, ...] = ()
    may_be_single: bool = False
    """A pair may be priced by one pool alone."""


class NamedFeed(msgspec.Struct, frozen=True, kw_only=True):
    """A Chainlink feed as the signer's file names it."""

    address: Address
    base: Address
    quote: Address
    max_age_s: Seconds
    deviation_bps: Bps


class NamedReferences(msgspec.Struct, frozen=True, kw_only=True):
    """References as the signer's file names them, before anything is read from the chain."""

    pools: tuple[Address, ...] = ()
    feeds: tuple[NamedFeed, ...] = ()
    may_be_single: bool = False


class ListedDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment that the file names: its contracts may act only in its own listed pools."""

    router: Address
    position_manager: Address
    pools: tuple[PricedPool, ...]


class UniswapV3Terms(msgspec.Struct, frozen=True, kw_only=True):
    """`VenueTerms` of all deployments of Uniswap V3 in a signer's file. The pools of each price the pairs of all."""

    deployments: tuple[ListedDeployment, ...]
    references: References = References()
    twap_window_s: Seconds = Seconds(300)
    max_observation_age_s: Seconds = Seconds(3_600)
    """A pool that has written no observation for longer has no price."""
    max_spot_from_twap_log_bps: LogBps | None = None
    """None: by the pool's fee."""
    max_spot_from_twap_withdrawing_log_bps: LogBps = WITHDRAWING_LOG_BPS
    """How far spot may be from a reference while liquidity is only taken out; no less than it may be while anything is traded."""
    swap_tolerance_bps: Bps = Bps(15)
    """How far below its simulated output a swap's minimum may lie."""
    max_share_of_depth_bps: Bps = Bps(1_000)
    """Of what a pool holds within 1 % of its price, one swap or mint may move."""
    name: str = UNISWAP_V3

    # -------------------------------------------------------------- the port
    @property
    def contracts(self) -> Collection[Address]:
        """Each deployment's router and position manager."""
        return {contract for each in self.deployments for contract in (each.router, each.position_manager)}

    @property
    def tokens(self) -> Sequence[Address]:
        """The pools' tokens, each once."""
        return tuple(dict.fromkeys(token for pool in self.pools for token in (pool.token0, pool.token1)))

    def spenders(self, token: Address) -> Collection[Address]:
        """List router and position manager of each deployment that has a listed pool of a token."""
        return {
            contract
            for each in self.deployments
            if any(token in {pool.token0, pool.token1} for pool in each.pools)
            for contract in (each.router, each.position_manager)
        }

    def read_calls(self, to: Address, data: bytes, owner: Address) -> Iterator[KnownCall]:
        """Read swaps, mints and withdrawals of a deployment in its listed pools. Raises: Refusal."""
        return calldata.read_calls(self.deployment_at(to), to, data, owner)

    def questions(self, owner: Address) -> Sequence[StateQuestion]:
        """Ask nothing in the simulation: the logs of the listed pools tell what intents do."""
        del owner
        return ()

    def touched(self, owner: Address, effect: "Effect") -> str | None:
        """Name a listed pool whose liquidity a position manager changes: the pool's logs do not say whose it is."""
        del owner
        changed = next(liquidity_changes(effect.logs, self.deployments), None)
        return None if changed is None else f"liquidity of {changed.pool}"

    def counts(self, log: "SimulatedLog") -> bool:
        """Count an NFT that is burned: its manager burns only an empty one."""
        managers = {each.position_manager for each in self.deployments}
        return log.address in managers and not int(log.topics[2], 16)

    def bind(self, judging: Judging) -> Appraiser:
        """Return an appraiser that asks a node."""
        from streams.submit.venues.uniswap_v3.appraise import PoolAppraiser  # noqa: PLC0415 - it knows these terms

        return PoolAppraiser(self, judging)

    # -------------------------------------------------------------- pools
    @property
    def pools(self) -> tuple[PricedPool, ...]:
        """List the pools of all deployments."""
        return tuple(pool for each in self.deployments for pool in each.pools)

    def deployment_at(self, contract: Address) -> ListedDeployment:
        """Find the deployment of a router or position manager. Raises: StopIteration where there is none."""
        return next(each for each in self.deployments if contract in {each.router, each.position_manager})

    def withdrawing_bound_ticks(self, pool: PricedPool) -> int:
        """Return how far a pool's price may be from a reference where liquidity is only taken out.

        At spot s a range pays L * (sqrt(s) - sqrt(p))^2 / sqrt(s) more of token1 than it is worth at a price p, both clamped to the range:
        never less. So no reference bounds a loss here, but which mix of the tokens somebody who pushes the pool may leave behind.
        """
        return max(self.spot_bound_ticks(pool), self.max_spot_from_twap_withdrawing_log_bps)

    def spot_bound_ticks(self, pool: PricedPool) -> int:
        """Return how far a pool's price may be from a reference where anything is traded or placed."""
        if self.max_spot_from_twap_log_bps is not None:
            return self.max_spot_from_twap_log_bps
        return spot_log_bps_of(pool.fee_pips)

    def pools_of_pair(self, pool: PricedPool) -> tuple[PricedPool, ...]:
        """List every pool of a pool's two tokens that the file names, the given one first."""
        named = (pool, *self.pools, *self.references.pools)
        return tuple(dict.fromkeys(p for p in named if (p.token0, p.token1) == (pool.token0, pool.token1)))

    def feeds_of_pair(self, pool: PricedPool) -> tuple[Feed, ...]:
        """List the feeds that price a pool's two tokens."""
        pair = {pool.token0, pool.token1}
        return tuple(feed for feed in self.references.feeds if {feed.base, feed.quote} == pair)
