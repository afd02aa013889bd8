"""The toy future's node half: three calls to its contract."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.book.inventory import WHOLE_BPS
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.orders import Order, Requested, UnknownOrder
from pipeline.units import Address, PoolId
from pipeline.venues.abi import declared
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.port import AccountStanding, NodeHalf, PoolFacts, ReadContext, one_by_one
from worlds.toy_perp.forms import (
    PerpAccount,
    PerpAccountObserved,
    PerpMarket,
    PerpMarketObserved,
    perp_account,
    perp_market,
)
from worlds.toy_perp.rules import MAINTENANCE_BPS

KIND = "toy_perp"
MARKET = declared("market()", "uint256", "int256", "int256", "uint256", "uint256")
STEP, CAP = declared("step()", "uint256"), declared("cap()", "uint256")
WORTH = declared("worth(address)", "int256", "int256")
ACCOUNT = declared(
    "account(address)", "uint256", "uint256", "int256", "int256", "uint256", "int256", "uint256", "bool"
)


async def read_market(reader: ContractReader, place: ReadContext, want: DueRead) -> PerpMarketObserved:
    (contract,) = perp_market.parse(want.item)
    told, (step,), (cap,) = await reader.need([Ask(contract, each) for each in (MARKET, STEP, CAP)])
    named = dict(zip(("price", "rate", "index", "index_at_s", "open"), told, strict=True))
    state = PerpMarket(**named, step=step, cap=cap)
    return PerpMarketObserved(
        term=place.term, block=place.block, why=want.why, contract=contract, state=state
    )


async def read_account(reader: ContractReader, place: ReadContext, want: DueRead) -> PerpAccountObserved:
    contract, owner = perp_account.parse(want.item)
    (told,) = await reader.need([Ask(contract, ACCOUNT, (owner,))])
    return PerpAccountObserved(
        term=place.term, block=place.block, why=want.why, contract=contract, owner=owner, state=state_of(told)
    )


def state_of(told: tuple[Any, ...]) -> PerpAccount:
    size, sold, margin, paid, number, change, limit, taken = told
    state = UnknownOrder() if taken else Requested()
    order = Order(number=str(number), change=change, state=state) if number else None
    return PerpAccount(size=size, sold=sold, margin=margin, paid=paid, order=order, limit=limit)


async def ask_pools(
    client: Any, spec: VenueSpec, pools: Sequence[PoolId]
) -> Mapping[PoolId, PoolFacts | str]:
    del client
    return dict.fromkeys(pools, f"{spec.name} has no pools")


async def find_standing(reader: ContractReader, spec: VenueSpec, account: Address) -> AccountStanding:
    """Ask for the margin behind an account's short and the cost of buying it back, in raw quote."""
    contract = spec.contract("future")
    told, (collateral, equity) = await reader.need(
        [Ask(contract, ACCOUNT, (account,)), Ask(contract, WORTH, (account,))]
    )
    worth = collateral - equity
    health_wad = equity * WHOLE_BPS * 10**18 // (MAINTENANCE_BPS * worth) if told[0] else 0
    return AccountStanding(spec, collateral, worth, 10**6, health_wad, None)


HALF = NodeHalf(
    reads={perp_market.family: one_by_one(read_market), perp_account.family: one_by_one(read_account)},
    ask_pools=ask_pools,
    holders=lambda _spec, _pools: (),
    find_account=find_standing,
)
