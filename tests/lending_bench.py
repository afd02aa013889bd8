"""The signer's judge at a lending market on the devnet: an account, the file's limits, and valid and forged calls."""

import asyncio
from pathlib import Path
from typing import Any

from intents import wide_budget
from judge_bench import Bench
from lending_forgery import LISTED
from msgspec.structs import replace
from sender_house import limits_of

from pipeline.messages.transactions import SubmitTransaction
from pipeline.venues.abi import function
from streams.devnet import aave
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import World
from streams.submit.node import HttpSenderNode
from streams.submit.venues.aave_v3.half import read_terms
from streams.submit.venues.aave_v3.section import AaveFields
from streams.submit.venues.aave_v3.terms import AaveV3Terms
from streams.submit.venues.port import FileReading

ETHER, DOLLAR = 10**18, 10**6
NAME = "lending"
STRANGER = "0x" + "ab" * 20
VARIABLE = 2
ROUTER = "uniswap-v3/SwapRouter02"
TIMED_MULTICALL = function(ROUTER, "multicall", arguments="uint256,bytes[]")


def fields_of(market: AaveContracts, **changes: Any) -> AaveFields:
    """Return the test file's fields: a debt of up to 25 ETH, and of no dollars."""
    usual: dict[str, Any] = {
        "name": NAME,
        "kind": "aave_v3",
        "pool": market.pool,
        "tokens": {market.weth.asset: 25, market.usdc.asset: 0},
        "least_health": "1.2",
        "shock": "30%",
    }
    return AaveFields.model_validate(usual | changes)


def read(chain: Chain, *fields: AaveFields) -> AaveV3Terms:
    """Read the terms with which a signer starts. Raises: SettingsError."""

    async def reading() -> AaveV3Terms | None:
        node = HttpSenderNode(chain.url, timeout_s=10)
        try:
            return await read_terms(FileReading(node=node, file=None, sections=fields, known={}))  # type: ignore[arg-type]
        finally:
            await node.close()

    terms = asyncio.run(reading())
    assert terms is not None
    return terms


class LendingBench(Bench):
    """A market and an owner with 100,000 dollars supplied and 10 ETH borrowed: a health factor of 2.67."""

    def __init__(self, chain: Chain, world: World, folder: Path, market: AaveContracts) -> None:
        super().__init__(chain, world, folder)
        self.market, self.weth, self.usdc = market, market.weth.asset, market.usdc.asset
        self.chain.execute(
            aave.supply(market, self.owner, self.usdc, 100_000 * DOLLAR),
            aave.borrow(market, self.owner, self.weth, 10 * ETHER),
        )
        self.chain.rpc("anvil_mine", hex(6), hex(12))
        self.name_market()

    def name_market(self, **changes: Any) -> None:
        """Change the market's entry in the signer's file."""
        usual = limits_of(self.world, budget=wide_budget(self.usdc))
        terms = read(self.chain, fields_of(self.market, **changes))
        self.limits = replace(usual, venues=(*usual.venues, terms))

    # -------------------------------------------------------------- calls
    def call(self, name: str, *arguments: Any, to: str | None = None, **changes: Any) -> SubmitTransaction:
        data = LISTED[name].calldata(*arguments)
        return self.intent(to or self.market.pool, data, **({"gas_limit": 600_000} | changes))

    def supply(self, token: str, amount: int, of: str | None = None) -> SubmitTransaction:
        return self.call("supply", token, amount, of or self.owner, 0)

    def borrow(
        self, token: str, amount: int, of: str | None = None, rate: int = VARIABLE
    ) -> SubmitTransaction:
        return self.call("borrow", token, amount, rate, 0, of or self.owner)

    def repay(
        self, token: str, amount: int, of: str | None = None, rate: int = VARIABLE
    ) -> SubmitTransaction:
        return self.call("repay", token, amount, rate, of or self.owner)

    def withdraw(self, token: str, amount: int, to: str | None = None) -> SubmitTransaction:
        return self.call("withdraw", token, amount, to or self.owner)

    def buy(
        self, amount_out: int, most_in: int, *, recipient: str | None = None, limit_x96: int = 0
    ) -> SubmitTransaction:
        """Buy WETH for dollars through the router."""
        place = self.world.pool("weth_usdc_low_500")
        terms = (
            self.usdc,
            self.weth,
            place.fee_pips,
            recipient or self.owner,
            amount_out,
            most_in,
            limit_x96,
        )
        inner = function(ROUTER, "exactOutputSingle").encode(terms)
        return self.routed([inner])

    def routed(self, calls: list[bytes]) -> SubmitTransaction:
        """Combine calls into one call of the router."""
        data = TIMED_MULTICALL.calldata(self.head().timestamp_s + 600, calls)
        return self.intent(self.world.router, data, gas_limit=600_000)

    # -------------------------------------------------------------- the chain
    def mined(self, intent: SubmitTransaction) -> None:
        """Check an intent, and mine it as the owner's transaction."""
        self.judge(intent)
        call = intent.call
        self.chain.execute(Tx(sender=intent.owner, to=call.to, data=call.data, gas=call.gas_limit))

    def tell_price(self, dollars: float) -> None:
        """Set the price of WETH at the market's oracle."""
        price = int(dollars * aave.BASE_UNIT)
        self.chain.execute(aave.set_price(self.market, self.world.accounts.traders[0], self.weth, price))
