"""Appraise an intent at Uniswap V3 by reference prices, depth and the loss that the signer's file allows."""

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction

from pipeline.errors import NodeError
from pipeline.messages.base import BlockRef
from pipeline.units import Address
from streams.submit.venues.port import Cost, JudgedIntent, Judging, KnownCall
from streams.submit.venues.uniswap_v3.charge import cost_of, prices_along
from streams.submit.venues.uniswap_v3.minimums import check_minimums_of_calls, check_state
from streams.submit.venues.uniswap_v3.prices import PriceReader
from streams.submit.venues.uniswap_v3.terms import UniswapV3Terms
from streams.submit.venues.uniswap_v3.value import Valuation, pool_of, pools_about
from streams.submit.verdict import Refusal, attributing_to_market


class PoolAppraiser:
    """`Appraiser` of swaps, mints and withdrawals."""

    def __init__(self, terms: UniswapV3Terms, judging: Judging) -> None:
        """Take what does not change while the process runs."""
        self._terms = terms
        self._limits = judging.limits
        self._prices = PriceReader(judging.node, terms, multicall=judging.multicall)

    async def read_ahead(self, calls: Sequence[KnownCall], head: BlockRef) -> None:
        """Read the references of the pair that the calls are about. Never raises."""
        pools = pools_about(calls, self._terms)
        if len({(pool.token0, pool.token1) for pool in pools}) == 1:
            with suppress(NodeError, Refusal):
                await self._prices.of(pools[0], head)

    async def appraise(self, judged: JudgedIntent) -> Cost:
        """Compare each loss with its limit, and return what the whole is charged to the budget. Raises: Refusal, NodeError."""
        terms, limits = self._terms, self._limits
        here = terms.deployment_at(judged.intent.call.to)
        moved = judged.effect.moved(limits.wrapped_native)
        pool = pool_of(judged, moved, here, terms)
        if pool is None:
            return Cost()
        prices = await self._prices.of(pool, judged.head)
        valuation = Valuation(
            calls=judged.calls, prices=prices, max_loss_bps=limits.max_loss_bps, deployments=terms.deployments
        )
        with attributing_to_market(is_at_its_block=judged.is_at_its_block):
            worst = valuation.check_worst()
        shown = valuation.check_effect(moved, judged.effect.logs)
        with attributing_to_market(is_at_its_block=judged.is_at_its_block):
            check_state(judged, prices, here, terms)
            check_minimums_of_calls(judged, prices, here, terms, max_loss_bps=limits.max_loss_bps)
        return await cost_of(
            prices,
            worst,
            shown,
            pools=terms.pools,
            token=limits.budget.token,
            prices_of=lambda other: self._prices.of(other, judged.head),
        )

    async def prices(self, token: Address, head: BlockRef) -> Sequence[Fraction]:
        """Price a token along one listed pool, or two, at each of their references. Raises: Refusal, NodeError."""
        return await prices_along(
            token,
            pools=self._terms.pools,
            budget=self._limits.budget.token,
            prices_of=lambda pool: self._prices.of(pool, head),
        )
