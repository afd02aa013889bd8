"""Aave V3 in the signer's registry: its part of the file, and its terms as read from file and chain."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipeline.errors import CallRevertedError, SettingsError, UnreadableError
from pipeline.units import Address, Hash, RawAmount
from pipeline.venues.abi import Function, declared
from streams.submit.venues.aave_v3.section import AaveFields
from streams.submit.venues.aave_v3.terms import AaveV3Terms, LendingMarket, Reserve
from streams.submit.venues.port import FileReading, SignerHalf

if TYPE_CHECKING:
    from streams.submit.node import SenderNode

_REVISIONS = {1: "3.0", 10: "3.6"}
"""Which calls are tried against the published bytecode of."""
_REVISION = declared("POOL_REVISION()", "uint256")
_PROVIDER = declared("ADDRESSES_PROVIDER()", "address")
_ORACLE = declared("getPriceOracle()", "address")
_RESERVE = declared(
    "getReserveData(address)",
    *("uint256", "uint128", "uint128", "uint128", "uint128", "uint128", "uint40", "uint16"),
    *("address", "address", "address", "address", "uint128", "uint128", "uint128"),
)
_DECIMALS_BIT, _DECIMALS_MASK = 48, 0xFF
_NOBODY = "0x" + "00" * 20
_WAD_DIGITS = 18


async def read_terms(reading: FileReading) -> AaveV3Terms | None:
    """Read each market that the file names. Raises: SettingsError, NodeError."""
    if not reading.sections:
        return None
    at = (await reading.node.newest()).block.hash
    markets = []
    for fields in reading.sections:
        assert isinstance(fields, AaveFields)
        markets.append(await _read_market(reading.node, fields, at))
    for what, found in (("name", [m.name for m in markets]), ("pool", [m.pool for m in markets])):
        if len(set(found)) < len(found):
            raise SettingsError(f"venues: two lending markets have one {what}")
    return AaveV3Terms(markets=tuple(markets))


async def _read_market(node: "SenderNode", fields: AaveFields, at: Hash) -> LendingMarket:
    try:
        revision = await _ask(node, fields.pool, _REVISION, at)
        provider = await _ask(node, fields.pool, _PROVIDER, at)
        oracle = await _ask(node, provider, _ORACLE, at) if revision in _REVISIONS else None
    except (CallRevertedError, UnreadableError):
        raise SettingsError(f"venues: {fields.name}: {fields.pool} is not a pool of Aave V3") from None
    if oracle is None:
        known = ", ".join(f"{each} ({version})" for each, version in _REVISIONS.items())
        raise SettingsError(
            f"venues: {fields.name}: pool {fields.pool} is of revision {revision}, known are {known}"
        )
    reserves = tuple(
        [await _read_reserve(node, fields, token, largest, at) for token, largest in fields.tokens.items()]
    )
    return LendingMarket(
        name=fields.name,
        pool=fields.pool,
        provider=provider,
        oracle=oracle,
        reserves=reserves,
        least_health_wad=int(fields.least_health.scaleb(_WAD_DIGITS)),
        shock_bps=fields.shock,
        max_oracle_deviation_bps=fields.max_oracle_deviation,
        emodes=fields.emodes,
    )


async def _read_reserve(
    node: "SenderNode", fields: AaveFields, token: Address, largest_debt: Decimal, at: Hash
) -> Reserve:
    try:
        data = _RESERVE.answer(await node.call(fields.pool, _RESERVE.encode(token), at))
    except (CallRevertedError, UnreadableError):
        raise SettingsError(f"venues: {fields.name}: pool {fields.pool} does not tell of {token}") from None
    if data[8] == _NOBODY:
        raise SettingsError(f"venues: {fields.name}: {token} has no reserve in pool {fields.pool}")
    decimals = data[0] >> _DECIMALS_BIT & _DECIMALS_MASK
    return Reserve(
        asset=token,
        a_token=data[8],
        debt_token=data[10],
        number=data[7],
        decimals=decimals,
        max_debt=RawAmount(int(largest_debt.scaleb(decimals))),
    )


async def _ask(node: "SenderNode", to: Address, asked: Function, at: Hash) -> Any:
    (answer,) = asked.answer(await node.call(to, asked.encode(), at))
    return answer


HALF = SignerHalf(section=AaveFields, read=read_terms)
