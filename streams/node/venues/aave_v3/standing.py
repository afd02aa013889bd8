"""Read an account's collateral, debt and health from any version of the pool."""

from pipeline.errors import ImpossibleFactError
from pipeline.messages.chain_profile import VenueSpec
from pipeline.units import Address
from pipeline.venues.aave_v3.revisions import rules_of
from streams.node.contract_calls import Ask, ContractReader
from streams.node.venues.aave_v3.functions import ACCOUNT_DATA, BASE_UNIT, REVISION
from streams.node.venues.port import AccountStanding


async def find_standing(reader: ContractReader, spec: VenueSpec, account: Address) -> AccountStanding:
    """Read an account's totals from a pool, and whether the pool can be followed. Raises: UnreadableError, NodeError."""
    pool = spec.contract("pool")
    (collateral, debt, _, _, _, health_wad), (revision,), (unit,) = await reader.need(
        [Ask(pool, ACCOUNT_DATA, (account,)), Ask(pool, REVISION), Ask(spec.contract("oracle"), BASE_UNIT)]
    )
    return AccountStanding(
        venue=spec,
        collateral=collateral,
        debt=debt,
        unit=unit,
        health_wad=health_wad,
        unfollowed=why_unfollowed(revision),
    )


def why_unfollowed(revision: int) -> str | None:
    """Explain why a pool of a revision is not followed; None where it is."""
    try:
        rules_of(revision)
    except ImpossibleFactError as error:
        return str(error)
    return None
