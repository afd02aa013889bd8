"""The toy future's node half: three questions to its contract."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.events import ObservationFailed
from pipeline.messages.orders import Order, Requested, UnknownOrder
from pipeline.units import PoolId
from pipeline.venues.abi import declared
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.port import NodeHalf, PoolFacts, ReadContext
from worlds.toy_perp.forms import (
    PerpAccount,
    PerpAccountObserved,
    PerpMarket,
    PerpMarketObserved,
    perp_account,
    perp_market,
)

KIND = "toy_perp"
MARKET = declared("market()", "uint256", "int256", "int256", "uint256", "uint256")
STEP, CAP = declared("step()", "uint256"), declared("cap()", "uint256")
ACCOUNT = declared(
    "account(address)", "uint256", "uint256", "int256", "int256", "uint256", "int256", "uint256", "bool"
)


async def read_markets(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[PerpMarketObserved | ObservationFailed]:
    for want in wants:
        (contract,) = perp_market.parse(want.item)
        try:
            told, (step,), (cap,) = await reader.need([Ask(contract, each) for each in (MARKET, STEP, CAP)])
        except UnreadableError as error:
            yield place.failed(want, error)
            continue
        named = dict(zip(("price", "rate", "index", "index_at_s", "open"), told, strict=True))
        state = PerpMarket(**named, step=step, cap=cap)
        yield PerpMarketObserved(
            term=place.term, block=place.block, why=want.why, contract=contract, state=state
        )


async def read_accounts(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[PerpAccountObserved | ObservationFailed]:
    for want in wants:
        contract, owner = perp_account.parse(want.item)
        try:
            (told,) = await reader.need([Ask(contract, ACCOUNT, (owner,))])
        except UnreadableError as error:
            yield place.failed(want, error)
            continue
        yield PerpAccountObserved(
            term=place.term,
            block=place.block,
            why=want.why,
            contract=contract,
            owner=owner,
            state=state_of(told),
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


HALF = NodeHalf(
    reads={perp_market.family: read_markets, perp_account.family: read_accounts},
    ask_pools=ask_pools,
    holders=lambda _spec, _pools: (),
)
