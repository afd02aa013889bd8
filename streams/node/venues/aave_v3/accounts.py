"""Read accounts at one block: flags, e-mode, scaled balances, and the totals by pool and tokens."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from pipeline.errors import ImpossibleFactError, UnreadableError
from pipeline.messages.events import ObservationFailed
from pipeline.units import Address
from pipeline.venues.aave_v3 import v3_0
from pipeline.venues.aave_v3.configuration import flagged_reserves
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveAccountObserved,
    AavePosition,
    DisplayedBalance,
    aave_account,
)
from pipeline.venues.aave_v3.revisions import rules_of
from pipeline.venues.aave_v3.rules import AccountData, EmodeTerms, VersionRules
from pipeline.venues.due_read import DueRead
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.aave_v3 import functions as f
from streams.node.venues.port import ReadContext

_NOBODY = Address("0x" + "00" * 20)
_PER_RESERVE = 5
"""Questions on what an account has of a reserve."""


async def read_accounts(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[AaveAccountObserved | ObservationFailed]:
    """Read accounts; one with a debt at a stable rate cannot be followed. Raises: NodeError."""
    for want in wants:
        pool, owner = aave_account.parse(want.item)
        try:
            read = await _read(reader, pool, owner)
        except (UnreadableError, ImpossibleFactError) as error:
            yield place.failed(want, UnreadableError(str(error)))
            continue
        yield AaveAccountObserved(
            term=place.term, block=place.block, why=want.why, pool=pool, owner=owner, **read
        )


async def _read(reader: ContractReader, pool: Address, owner: Address) -> dict[str, Any]:
    (revision,), (assets,), (flags,), (category,), told = await reader.need(
        [
            Ask(pool, f.REVISION),
            Ask(pool, f.RESERVES_LIST),
            Ask(pool, f.USER_CONFIGURATION, (owner,)),
            Ask(pool, f.USER_EMODE, (owner,)),
            Ask(pool, f.ACCOUNT_DATA, (owner,)),
        ]
    )
    rules = rules_of(revision)
    emode, price_source = await _emode(reader, pool, category, rules)
    reserves = await reader.need([Ask(pool, f.RESERVE_DATA, (asset,)) for asset in assets])
    ids = {Address(asset): data[7] for asset, data in zip(assets, reserves, strict=True)}
    positions, balances = await _balances(reader, owner, assets, reserves)
    held = {each.asset for each in positions}
    flagged = set(flagged_reserves(flags))
    return {
        "account": AaveAccount(
            flags=flags, positions=positions, emode=emode, emode_price_source=price_source
        ),
        "data": AccountData(**dict(zip(AccountData.__struct_fields__, told, strict=True))),
        "balances": balances,
        "used": tuple(sorted(asset for asset, i in ids.items() if asset in held or i in flagged)),
    }


async def _balances(
    reader: ContractReader, owner: Address, assets: Sequence[str], reserves: Sequence[tuple[Any, ...]]
) -> tuple[tuple[AavePosition, ...], tuple[DisplayedBalance, ...]]:
    asks: list[Ask] = []
    for data in reserves:
        for token in (data[8], data[10]):
            asks += [Ask(token, f.SCALED_BALANCE, (owner,)), Ask(token, f.BALANCE, (owner,))]
        stable = data[9] if data[9] != _NOBODY else data[10]  # asked twice rather than of nobody
        asks.append(Ask(stable, f.BALANCE, (owner,)))
    told = [each[0] for each in await reader.need(asks)]
    positions, balances = [], []
    for place, (asset, data) in enumerate(zip(assets, reserves, strict=True)):
        numbers = told[place * _PER_RESERVE :][:_PER_RESERVE]
        scaled_collateral, collateral, scaled_debt, debt, stable_debt = numbers
        if data[9] != _NOBODY and stable_debt:
            raise UnreadableError(
                f"{owner} owes {stable_debt} of {asset} at a stable rate, which is not followed"
            )
        if scaled_collateral or scaled_debt:
            positions.append(
                AavePosition(
                    asset=Address(asset), scaled_collateral=scaled_collateral, scaled_debt=scaled_debt
                )
            )
            balances.append(DisplayedBalance(asset=Address(asset), collateral=collateral, debt=debt))
    return (
        tuple(sorted(positions, key=lambda each: each.asset)),
        tuple(sorted(balances, key=lambda each: each.asset)),
    )


async def _emode(
    reader: ContractReader, pool: Address, category: int, rules: VersionRules
) -> tuple[EmodeTerms | None, Address | None]:
    """Read an account's e-mode category, and whose price the category uses."""
    if not category:
        return None, None
    if rules is v3_0:
        (((ltv, threshold, _, source, _),),) = await reader.need(
            [Ask(pool, f.EMODE_WITH_PRICE_SOURCE, (category,))]
        )
        terms = EmodeTerms(category=category, ltv_bps=ltv, threshold_bps=threshold)
        return terms, None if source == _NOBODY else Address(source)
    (ltv, threshold, _), (collateral_map,), (ltv_zero_map,) = await reader.need(
        [
            Ask(pool, ask, (category,))
            for ask in (f.EMODE_COLLATERAL, f.EMODE_COLLATERAL_MAP, f.EMODE_LTV_ZERO_MAP)
        ]
    )
    terms = EmodeTerms(
        category=category,
        ltv_bps=ltv,
        threshold_bps=threshold,
        collateral_map=collateral_map,
        ltv_zero_map=ltv_zero_map,
    )
    return terms, None
