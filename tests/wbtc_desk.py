"""A live book of WETH and USDC whose hedge is secured by WBTC, of 8 decimals, at either version of Aave V3."""

from pathlib import Path

from chain_desk import ChainDesk
from hedged_desk import DEPLOY, SHORT_OF_DOLLARS, HedgedDesk, hedged_book
from hedged_play import NOWHERE, endow
from intents import wide_budget
from lending_bench import fields_of, read
from msgspec.structs import replace
from sender_house import PASTLESS, ROOMY, limits_of, priced_pool

from pipeline.messages.policy import Policy, TokenSpec, version_of
from pipeline.messages.prices import Asset
from pipeline.units import Address
from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.aave import AaveContracts
from streams.devnet.aave_v3_0 import add_reserve_v3_0
from streams.devnet.aave_v3_6 import add_reserve_v3_6
from streams.devnet.chain import Chain
from streams.devnet.reads import balance
from streams.devnet.reads import read as read_token
from streams.devnet.third_asset import Wbtc, add_wbtc
from streams.devnet.transactions import Tx
from streams.devnet.world import World

ADD_RESERVE = {"3.0": add_reserve_v3_0, "3.6": add_reserve_v3_6}
KEPT_WBTC = 2 * 10**8
"""What the wallet has at first, worth 120,000 dollars."""


def secured_by_wbtc(book: Policy, wbtc: Wbtc) -> Policy:
    token = Address(wbtc.token)
    assert book.hedge
    made = replace(
        book,
        tokens=(*book.tokens, TokenSpec(address=token, symbol="WBTC", decimals=8)),
        assets=(Asset(token=token, price_path=(Address(wbtc.with_usdc.address),)),),
        hedge=replace(book.hedge, collateral=token),
    )
    return replace(made, policy_version=version_of(made))


class WbtcDesk(HedgedDesk):
    """A hedged book whose signer counts in dollars, and prices WBTC by its pool with them."""

    def __init__(self, chain: Chain, world: World, version: str, cache: Path) -> None:
        given, owner = SHORT_OF_DOLLARS, world.accounts.owners[0]
        wbtc = add_wbtc(chain, world, (world.accounts.spare[0], owner), above_weth=False, cache=cache)
        market = DEPLOY[version](chain, world, cache=cache)
        self.owner, self.wbtc = owner, wbtc.token
        self.market = ADD_RESERVE[version](chain, market, "WBTC", wbtc.token, cache=cache)
        endow(chain, world, owner, spenders=(market.pool,), half_width=given.half_width, usdc=given.usdc)
        self._keep(chain, world)
        chain.rpc("anvil_mine", hex(10), hex(12))
        book = hedged_book(world, market, owner, given.hedge, given.usdc)
        ChainDesk.__init__(self, chain, world, secured_by_wbtc(book, wbtc))
        self.limits = _limits(chain, world, self.market, wbtc)

    def _keep(self, chain: Chain, world: World) -> None:
        """Leave the owner an amount of WBTC without allowances."""
        given = balance(chain, self.wbtc, self.owner) - KEPT_WBTC
        approve = function("tokens/ERC20", "approve")
        chain.execute(
            actions.transfer(self.wbtc, self.owner, NOWHERE, given),
            *(
                Tx(sender=self.owner, to=self.wbtc, data=approve.calldata(spender, 0))
                for spender in (world.router, world.position_manager)
            ),
        )

    def secured(self) -> int:
        return balance(self.chain, self.market.reserve(self.wbtc).a_token, self.owner)

    def allowed(self) -> list[int]:
        of_wbtc = [
            read_token(self.chain, self.wbtc, "tokens/ERC20", "allowance", self.owner, spender)
            for spender in (self.world.router, self.market.pool)
        ]
        return super().allowed() + of_wbtc


def _limits(chain: Chain, world: World, market: AaveContracts, wbtc: Wbtc):
    priced = (*(pool for name, pool in world.pools.items() if name != PASTLESS), wbtc.with_usdc)
    usual = limits_of(
        world,
        **ROOMY
        | {
            "max_loss_bps": 500,
            "pools": tuple(map(priced_pool, priced)),
            "budget": wide_budget(world.usdc_low),
        },
    )
    debts = {market.weth.asset: SHORT_OF_DOLLARS.most_weth, market.usdc.asset: 0, wbtc.token: 0}
    fields = fields_of(market, least_health=SHORT_OF_DOLLARS.least_health, tokens=debts, shock="15%")
    return replace(usual, venues=(*usual.venues, read(chain, fields)))
