"""Read a hedged book's debt, collateral and allowances from the chain, before and after `evenkeel unwind`."""

import msgspec

from streams.cli.demo.allowances import allowances
from streams.cli.demo.hedged import HedgedPair
from streams.devnet import aave
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance

_ETHER, _DOLLAR = 10**18, 10**6


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An owner at the lending market after a block. Raw units."""

    owed_weth: int
    secured_usdc: int
    account_debt: int
    """By `getUserAccountData`, over all reserves, in the oracle's currency."""
    account_collateral: int
    allowances: dict[str, int]
    """What the market, the router and the position manager may take, by token and contract."""

    @property
    def left(self) -> dict[str, int]:
        """List what is not zero."""
        own = {
            "raw WETH of debt": self.owed_weth,
            "raw USDC of collateral": self.secured_usdc,
            "of all debt, as the market counts it": self.account_debt,
            "of all collateral, as the market counts it": self.account_collateral,
        }
        allowed = {f"raw allowance of {what}": amount for what, amount in self.allowances.items()}
        return {what: amount for what, amount in {**own, **allowed}.items() if amount}


class Unwound(msgspec.Struct, kw_only=True):
    """A hedge that `evenkeel unwind` has ended."""

    before: Standing
    after: Standing
    begun_at: int
    ended_at: int
    cost: int = 0
    """Gas and swap loss of the plans that ended it, in raw dollars."""

    def title(self) -> str:
        """Describe what was done, and how long it took."""
        return f"`evenkeel unwind`, {self.ended_at - self.begun_at} blocks"

    def rows(self) -> list[tuple[str, str, str]]:
        """Write the table: what, before, after."""
        both = self.before, self.after
        allowed = [sum(amount > 0 for amount in each.allowances.values()) for each in both]
        rows = {
            "debt": [f"{each.owed_weth / _ETHER:,.4f} WETH" for each in both],
            "collateral": [f"{each.secured_usdc / _DOLLAR:,.2f} USDC" for each in both],
            "all debt, by the market's account": [
                f"{each.account_debt / aave.BASE_UNIT:,.2f} USD" for each in both
            ],
            "all collateral, by the market's account": [
                f"{each.account_collateral / aave.BASE_UNIT:,.2f} USD" for each in both
            ],
            f"allowances above zero, of {len(self.after.allowances)}": [str(each) for each in allowed],
            "gas and swap loss of ending it": ["", f"{self.cost / _DOLLAR:,.2f} USDC"],
        }
        return [(what, *figures) for what, figures in rows.items()]  # type: ignore[misc]


def standing_at(pair: HedgedPair, chain: Chain, block: int) -> Standing:
    """Ask the chain how the hedged book's owner stands after a block."""
    world, market = pair.world, pair.market
    collateral, debt, *_ = ask(chain, market.pool, aave.ACCOUNT_DATA, pair.owner, block=block)
    tokens = {"WETH": world.weth, "USDC": world.usdc_low}
    spenders = {"market": market.pool, "router": world.router, "manager": world.position_manager}
    return Standing(
        owed_weth=balance(chain, market.weth.debt_token, pair.owner, block=block),
        secured_usdc=balance(chain, market.usdc.a_token, pair.owner, block=block),
        account_debt=debt,
        account_collateral=collateral,
        allowances=allowances(chain, pair.owner, tokens, spenders, block=block),
    )
