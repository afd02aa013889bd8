"""A book that follows Aave V3 on a devnet, the other accounts' actions there, and the chain's own values of an account."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from followed import Followed, world_policy
from msgspec.structs import replace

from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.messages.policy import Policy, version_of
from pipeline.units import Address
from pipeline.venues.aave_v3.account import MarketAt, balances
from pipeline.venues.aave_v3.deployment import AaveDeployment
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveReserve,
    AaveTold,
    aave_account,
    aave_reserve,
    aave_told,
)
from pipeline.venues.aave_v3.rules import AccountData
from streams.devnet import aave
from streams.devnet.aave import AaveContracts
from streams.devnet.chain import Chain
from streams.devnet.reads import ask, balance
from streams.devnet.transactions import Tx
from streams.devnet.world import World

NAME = "lending"
ETHER, USD = 10**18, 10**6


def deployment(market: AaveContracts) -> AaveDeployment:
    return AaveDeployment(Address(market.pool), Address(market.configurator), Address(market.oracle))


def spec_of(market: AaveContracts) -> VenueSpec:
    """Name a market in a chain's profile."""
    contracts = tuple(
        VenueContract(role=role, address=Address(getattr(market, role)))
        for role in ("pool", "configurator", "oracle")
    )
    return VenueSpec(name=NAME, kind="aave_v3", contracts=contracts)


def aave_policy(world: World, market: AaveContracts, owner: str, chain_id: int, **changes: Any) -> Policy:
    """Make a policy of a watched book on a chain with a lending market."""
    usual = world_policy(world, owner, world.pool("weth_usdc_low_500"), chain_id, mode="watch", **changes)
    made = replace(usual, chain=replace(usual.chain, venues=(spec_of(market),)))
    return replace(made, policy_version=version_of(made))


# ------------------------------------------------------------------ ours against the chain's
def ours(followed: Followed, market: AaveContracts, owner: str) -> dict[str, Any]:
    """Return the shard's values of an account at its head."""
    tables, at = followed.shard.tables, deployment(market)
    account = tables.need(aave_account(at.pool, Address(owner)), AaveAccount)
    told = tables.find(aave_told(at.pool), AaveTold)
    if told is None:
        assert not account.positions
        return {"positions": {}, "flags": account.flags}
    assert tables.head is not None
    assert told.at_s == tables.head.timestamp_s
    now = MarketAt(tables, at, told.at_s)
    return {
        "data": now.account_data(account, told),
        "positions": {each.asset: (each.collateral, each.debt) for each in balances(now, account)},
        "scaled": {each.asset: (each.scaled_collateral, each.scaled_debt) for each in account.positions},
        "flags": account.flags,
        "reserves": {
            each.asset: replace(tables.need(aave_reserve(at.pool, each.asset), AaveReserve), rates=None)
            for each in account.positions
        },
    }


def chains(chain: Chain, market: AaveContracts, owner: str) -> dict[str, Any]:
    """Return the values of the account that the pool and its tokens show at the chain's head."""
    told: dict[str, Any] = {
        "data": AccountData(
            **dict(
                zip(
                    AccountData.__struct_fields__,
                    ask(chain, market.pool, aave.ACCOUNT_DATA, owner),
                    strict=True,
                )
            )
        ),
        "flags": ask(chain, market.pool, aave.USER_CONFIGURATION, owner),
    }
    told |= {"positions": {}, "scaled": {}, "reserves": {}}
    for reserve in (market.weth, market.usdc, *market.further):
        scaled = tuple(
            ask(chain, token, aave.SCALED_BALANCE, owner) for token in (reserve.a_token, reserve.debt_token)
        )
        if not any(scaled):
            continue
        told["scaled"][reserve.asset] = scaled
        told["positions"][reserve.asset] = tuple(
            balance(chain, token, owner) for token in (reserve.a_token, reserve.debt_token)
        )
        data = ask(chain, market.pool, aave.RESERVE_DATA, reserve.asset)
        told["reserves"][reserve.asset] = AaveReserve(
            configuration=data[0],
            liquidity_index_ray=data[1],
            liquidity_rate_ray=data[2],
            borrow_index_ray=data[3],
            borrow_rate_ray=data[4],
            updated_at_s=data[6],
        )
    return told


def is_as_on_the_chain(followed: Followed, chain: Chain, market: AaveContracts, owner: str) -> None:
    mine, theirs = ours(followed, market, owner), chains(chain, market, owner)
    if not theirs["positions"]:
        assert (mine["positions"], mine["flags"]) == ({}, theirs["flags"])
        return
    assert mine == theirs


# ------------------------------------------------------------------ the crowd
class Turn(NamedTuple):
    """One action: who acts, for whom, with which asset and amount."""

    market: AaveContracts
    user: str
    other: str
    owner: str
    asset: str
    amount: int
    room: int
    """What the owner may still borrow of the asset."""
    dice: float


def _liquidate(turn: Turn) -> Tx:
    market, debt = turn.market, turn.asset
    collateral = market.weth.asset if debt == market.usdc.asset or turn.dice < 0.2 else market.usdc.asset
    amount = aave.MOST if turn.dice < 0.7 else turn.amount
    return aave.liquidate(
        market,
        turn.other,
        turn.owner,
        collateral=collateral,
        debt=debt,
        amount=amount,
        in_atokens=turn.dice < 0.5,
    )


ACTIONS: dict[str, Callable[[Turn], Tx]] = {
    "supply": lambda t: aave.supply(t.market, t.user, t.asset, t.amount),
    "borrow": lambda t: aave.borrow(t.market, t.user, t.asset, t.amount // 3),
    "borrow all": lambda t: aave.borrow(t.market, t.owner, t.asset, int(t.room * (0.5 + t.dice / 2))),
    "repay": lambda t: aave.repay(
        t.market, t.user, t.asset, t.amount if t.dice < 0.5 else int(2_000 * t.dice)
    ),
    "repay all": lambda t: aave.repay(t.market, t.user, t.asset, aave.MOST),
    "withdraw": lambda t: aave.withdraw(t.market, t.user, t.asset, t.amount // 2),
    "withdraw all": lambda t: aave.withdraw(t.market, t.user, t.asset, aave.MOST),
    "supply for us": lambda t: aave.supply(t.market, t.other, t.asset, t.amount, to=t.owner),
    "repay for us": lambda t: aave.repay(t.market, t.other, t.asset, t.amount // 5, of=t.owner),
    "send": lambda t: aave.send_atokens(t.market, t.user, t.asset, t.amount // 4, to=t.other),
    "send us": lambda t: aave.send_atokens(t.market, t.other, t.asset, t.amount // 4, to=t.owner),
    "switch": lambda t: aave.use_as_collateral(t.market, t.user, t.asset, on=t.dice < 0.6),
    "repay with aTokens": lambda t: aave.repay_with_atokens(t.market, t.user, t.asset, t.amount // 3),
    "mint to treasury": lambda t: aave.mint_to_treasury(t.market, t.other, (t.asset,)),
    "give": lambda t: aave.give(t.other, t.asset, t.market.reserve(t.asset).a_token, t.amount),
    "liquidate": _liquidate,
}

WEIGHTS = [3 if name.startswith("borrow") else 1 for name in ACTIONS]


class Crowd:
    """Seeded users of the market, the followed owner included, who act for themselves and for each other."""

    def __init__(self, chain: Chain, world: World, market: AaveContracts, owner: str, seed: int) -> None:
        self.chain, self.market, self.owner = chain, market, owner
        self.others = world.accounts.traders + world.accounts.providers[1:4]
        self.chance = random.Random(seed)
        self.price_usd = 3_000.0
        self.done: Counter[str] = Counter()
        """Actions that a block took, by name."""

    def step(self) -> None:
        """Mine one block with a price move and up to four actions, reverting ones included."""
        chance = self.chance
        jump = chance.choice((-0.2, 0.2)) if chance.random() < 0.08 else 0.0
        self.price_usd = min(max(self.price_usd * (1 + chance.gauss(0, 0.01) + jump), 1_800), 4_200)
        price = int(self.price_usd * aave.BASE_UNIT)
        available, health = self._account()
        self.chain.send(aave.set_price(self.market, self.others[0], self.market.weth.asset, price))
        names = chance.choices(list(ACTIONS), weights=WEIGHTS, k=chance.randrange(5))
        names += ["liquidate"] if health < 1 and chance.random() < 0.6 else []
        sent = [(name, self.chain.send(ACTIONS[name](self._turn(available)))) for name in names]
        self.chain.mine()
        self.done.update(name for name, tx_hash in sent if self.chain.receipt(tx_hash).succeeded)

    def _account(self) -> tuple[int, float]:
        """Return the owner's borrowing capacity in base units, and its health factor."""
        _, _, available, _, _, health = ask(self.chain, self.market.pool, aave.ACCOUNT_DATA, self.owner)
        return available, health / ETHER

    def _turn(self, available: int) -> Turn:
        chance, market = self.chance, self.market
        asset = chance.choice((market.weth.asset, market.usdc.asset))
        is_weth = asset == market.weth.asset
        whole = chance.choice((1, 7, 30)) * (ETHER if is_weth else 3_000 * USD)
        room = int(available / (self.price_usd * aave.BASE_UNIT) * ETHER) if is_weth else available // 100
        return Turn(
            market=market,
            user=chance.choice((*self.others, *[self.owner] * 4)),
            other=chance.choice(self.others),
            owner=self.owner,
            asset=asset,
            amount=max(whole + chance.randrange(-1_000_000, 1_000_000), 1),
            room=max(room, 1),
            dice=chance.random(),
        )
