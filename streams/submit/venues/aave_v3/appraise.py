"""Appraise an intent at Aave V3: what it moves between wallet, collateral and debt, its loss, and the health afterwards."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil

import msgspec

from pipeline.messages.base import BlockRef
from pipeline.units import Address, Bps, RawAmount
from streams.submit.venues.aave_v3.account import ACCOUNT, AccountRead, HeldAtMarket, read_accounts
from streams.submit.venues.aave_v3.calldata import asset_of
from streams.submit.venues.aave_v3.health import Prices, check_debts, check_health, check_oracle, is_weak
from streams.submit.venues.aave_v3.terms import AaveV3Terms, LendingMarket, is_touched
from streams.submit.venues.port import Cost, JudgedIntent, Judging, KnownCall
from streams.submit.verdict import Refusal, Unpriced, attributing_to_market

_ROUNDING = 10
"""Raw units of a token that roundings alone may cost."""


class LendingAppraiser:
    """`Appraiser` of what is supplied, borrowed, repaid and withdrawn."""

    def __init__(self, terms: AaveV3Terms, judging: Judging) -> None:
        """Take what does not change while the process runs."""
        self._terms = terms
        self._judging = judging

    async def read_ahead(self, calls: Sequence[KnownCall], head: BlockRef) -> None:
        """Read nothing: which tokens are to be priced is seen in the simulation."""
        del calls, head

    async def appraise(self, judged: JudgedIntent) -> Cost:
        """Let nothing but the call's token move, nothing be lost, and no account be left too weak. Raises: Refusal, NodeError."""
        (call,) = judged.calls
        here = self._terms.market_at(call.to)
        for market in self._terms.markets:
            if market is not here and is_touched(market, judged.intent.owner, judged.effect):
                raise Refusal("limits", f"it also changes what lies at {market.name}")
        before, after = read_accounts(self._terms.markets, judged.effect.answers)[here.name]
        wallet = judged.effect.moved(self._judging.limits.wrapped_native)
        shift = _shift_of(asset_of(call), wallet, before, after)
        if not call.adds_risk:
            return await self._charge_securing(call, shift, judged.head)
        reads = [(before, after)]
        if judged.at_worst is not None:
            reads.append(read_accounts(self._terms.markets, judged.at_worst.answers)[here.name])
        prices = await self._prices(reads, judged.head)
        for was, becomes in reads:
            check_debts(here, was, becomes)
            with attributing_to_market(is_at_its_block=judged.is_at_its_block):
                _check_risk(call, here, becomes, prices)
        return shift.cost(asset_of(call), prices)

    async def _charge_securing(self, call: KnownCall, shift: "Shift", head: BlockRef) -> Cost:
        """Charge what makes an account safer: no price decides whether it goes.

        Where its token's references are not to be believed now, nothing is charged: it loses nothing but roundings, in the token itself, and stays the
        owner's. Raises: Refusal where it is riskier, or something is lost, NodeError.
        """
        asset = asset_of(call)
        if shift.is_risk:
            raise Refusal("limits", f"{call.function} with which a debt grows, or collateral shrinks")
        shift.check_lost(asset)
        if asset is None or not shift.moved:
            return Cost()
        try:
            prices = {asset: await self._judging.prices(asset, head)}
        except Unpriced:
            raise
        except Refusal as refusal:
            if refusal.reason != "market":
                raise
            return Cost()
        return shift.cost(asset, prices)

    async def is_in_need(self, owner: Address, head: BlockRef) -> bool:
        """Return whether a market's oracle has an account below what it must be after a borrowing, the shock included. Raises: NodeError."""
        for market in self._terms.markets:
            answer = await self._judging.node.call(market.pool, ACCOUNT.encode(owner), head.hash)
            if is_weak(market, answer):
                return True
        return False

    async def prices(self, token: Address, head: BlockRef) -> Sequence[Fraction]:
        """Price nothing: a market's oracle is held against others, and values nothing."""
        del token, head
        return ()

    async def _prices(self, reads: Sequence[tuple[AccountRead, AccountRead]], head: BlockRef) -> Prices:
        """Price each token that the owner has or owes here, before or after. Raises: Refusal, NodeError."""
        accounts = [account for pair in reads for account in pair]
        involved = [
            asset
            for asset in accounts[0].holdings
            if any(account.holdings[asset].matters for account in accounts)
        ]
        return {asset: await self._judging.prices(asset, head) for asset in involved}


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """What an intent moves of one token between the owner's wallet, collateral and debt, in its raw units."""

    wallet: int = 0
    collateral: int = 0
    debt: int = 0

    @property
    def is_risk(self) -> bool:
        """Whether a debt grows, or collateral shrinks."""
        return self.debt > 0 or self.collateral < 0

    @property
    def moved(self) -> int:
        """Return how much moves."""
        return max(map(abs, (self.wallet, self.collateral, self.debt)))

    @property
    def lost(self) -> int:
        """Return what goes neither to the owner's wallet nor to its account."""
        return self.debt - self.wallet - self.collateral

    def check_lost(self, asset: Address | None) -> None:
        """Let nothing go elsewhere but what roundings take. Raises: Refusal."""
        if self.lost > _ROUNDING:
            raise Refusal(
                "limits",
                f"{self.lost} of {asset} would go elsewhere: neither to the owner's wallet nor to its account",
            )

    def cost(self, asset: Address | None, prices: Prices) -> Cost:
        """Count what is lost in equity, and what is moved, at the dearest reference. Rounds: up. Raises: Refusal."""
        if not self.moved or asset is None:
            return Cost()
        self.check_lost(asset)
        price = max(prices[asset])
        lost, moved = max(self.lost, 0), self.moved
        return Cost(loss=RawAmount(ceil(lost * price)), notional=RawAmount(ceil(moved * price)))


def _shift_of(
    asset: Address | None, wallet: Mapping[Address, int], before: AccountRead, after: AccountRead
) -> Shift:
    """Compare each token before and after; only the call's own may move. Raises: Refusal."""
    shifts = {
        token: _shift(wallet.get(token, 0), before.holdings[token], held)
        for token, held in after.holdings.items()
    }
    others = {*wallet, *(token for token, shift in shifts.items() if shift != Shift())} - {asset}
    if others:
        raise Refusal("limits", f"{', '.join(sorted(others))} would move, which the call is not about")
    return Shift() if asset is None else shifts[asset]


def _shift(wallet: int, before: HeldAtMarket, after: HeldAtMarket) -> Shift:
    return Shift(
        wallet=wallet, collateral=after.collateral - before.collateral, debt=after.debt - before.debt
    )


def _check_risk(call: KnownCall, market: LendingMarket, after: AccountRead, prices: Prices) -> None:
    """Hold what an account with a debt becomes against oracle and floor. Raises: Refusal.

    What is withdrawn need not leave room for a shock: after one, collateral may be what the debt is repaid with.
    """
    if not after.owes:
        return
    check_oracle(market, after, prices)
    shock_bps = Bps(0) if call.function == "withdraw" else market.shock_bps
    check_health(market, after, prices, shock_bps)
