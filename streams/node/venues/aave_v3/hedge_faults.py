"""Check whether a market lends a book's base against its quote, before a hedge there is in force."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from pipeline.errors import UnreadableError
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.policy import Policy
from pipeline.units import Address
from pipeline.venues.aave_v3 import configuration as bits
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.aave_v3.functions import RESERVE_DATA, USER_EMODE
from streams.node.venues.port import ContractFault

_NOBODY = "0x" + "00" * 20
_A_TOKEN = 8


async def hedge_faults(
    reader: ContractReader, spec: VenueSpec, policy: Policy
) -> AsyncIterator[ContractFault]:
    """Check both reserves and the owner's e-mode. What governance changes from day to day, such as a pause, is left to guards. Raises: NodeError."""
    pool = spec.contract("pool")
    try:
        base, collateral, (emode,) = await reader.need(
            [
                Ask(pool, RESERVE_DATA, (policy.base,)),
                Ask(pool, RESERVE_DATA, (policy.collateral_token,)),
                Ask(pool, USER_EMODE, (policy.owner,)),
            ]
        )
    except UnreadableError as error:
        yield ContractFault(field="venue", says=f"{spec.name} does not answer as a pool of Aave V3: {error}")
        return
    for says in _not_lent(_symbol(policy, policy.base), base):
        yield ContractFault(field="venue", says=f"{spec.name} {says}")
    for says in _no_collateral(_symbol(policy, policy.collateral_token), collateral, in_emode=bool(emode)):
        yield ContractFault(field="collateral", says=f"{spec.name} {says}")


def _not_lent(symbol: str, told: tuple[Any, ...]) -> Iterator[str]:
    if told[_A_TOKEN] == _NOBODY:
        yield f"has no reserve of {symbol}, the base"
    elif not bits.may_be_borrowed(told[0]):
        yield f"does not lend {symbol}, the base"


def _no_collateral(symbol: str, told: tuple[Any, ...], *, in_emode: bool) -> Iterator[str]:
    """An e-mode may count what counts for nothing outside of it."""
    if told[_A_TOKEN] == _NOBODY:
        yield f"has no reserve of {symbol}, which is to secure the hedge"
    elif bits.debt_ceiling(told[0]):
        yield f"takes {symbol} as an isolated collateral only"
    elif not in_emode and not (bits.ltv_bps(told[0]) and bits.threshold_bps(told[0])):
        yield f"lends nothing against {symbol}, which is to secure the hedge"


def _symbol(policy: Policy, token: Address) -> str:
    return next((each.symbol for each in policy.tokens if each.address == token), token)
