"""Read reserves at one block, each with the parameters of its interest rate."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from pipeline.errors import ImpossibleFactError, UnreadableError
from pipeline.messages.events import ObservationFailed
from pipeline.units import Address
from pipeline.venues.aave_v3 import v3_0
from pipeline.venues.aave_v3.forms import AaveReserveObserved, BorrowRates, aave_reserve
from pipeline.venues.aave_v3.rays import PERCENT, RAY
from pipeline.venues.aave_v3.revisions import rules_of
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.aave_v3 import functions as f
from streams.node.venues.port import ReadContext

_STRATEGY_WORD = 11
"""Of a pool's answer on a reserve: the contract that tells the rates."""


async def read_reserves(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[AaveReserveObserved | ObservationFailed]:
    """Read reserves. Raises: NodeError."""
    pairs = [aave_reserve.parse(want.item) for want in wants]
    told = await reader.ask([Ask(pool, f.RESERVE_DATA, (asset,)) for pool, asset in pairs])
    for want, (pool, asset), data in zip(wants, pairs, told, strict=True):
        if isinstance(data, UnreadableError):
            yield place.failed(want, data)
            continue
        state = f.reserve_state(data, await _rates(reader, pool, asset, data))
        yield AaveReserveObserved(
            term=place.term, block=place.block, why=want.why, pool=pool, asset=asset, state=state
        )


async def _rates(
    reader: ContractReader, pool: Address, asset: Address, data: tuple[Any, ...]
) -> BorrowRates | None:
    """Read the parameters of the borrow rate; None where the contract is of another kind. Raises: NodeError."""
    (revision,) = await reader.ask([Ask(pool, f.REVISION)])
    strategy, unit = data[_STRATEGY_WORD], 1
    try:
        if isinstance(revision, UnreadableError):
            return None
        if rules_of(revision[0]) is v3_0:
            told = [
                each[0] for each in await reader.need([Ask(strategy, ask) for ask in f.RATES_OF_A_STRATEGY])
            ]
        else:
            told = list((await reader.need([Ask(strategy, f.RATES_OF_AN_ASSET, (asset,))]))[0])
            unit = RAY // PERCENT
    except (UnreadableError, ImpossibleFactError):
        return None
    kink, unused, to_kink, behind_kink = (each * unit for each in told)
    return BorrowRates(kink_ray=kink, unused_ray=unused, to_kink_ray=to_kink, behind_kink_ray=behind_kink)
