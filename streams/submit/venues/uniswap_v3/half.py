"""Uniswap V3 in the signer's registry: its part of the file, and its terms as read from file and chain."""

from collections.abc import Mapping, Sequence

from pipeline.errors import SettingsError
from pipeline.units import Address
from streams.submit.contract_addresses import find_places
from streams.submit.venues.port import FileReading, SignerHalf
from streams.submit.venues.uniswap_v3.section import FirstDeployment, FurtherDeployment
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, UniswapV3Terms

_ROLES = ("factory", "router", "position_manager")


async def read_terms(reading: FileReading) -> UniswapV3Terms | None:
    """Read the pools of each deployment, and their reference prices. Raises: SettingsError, NodeError."""
    from streams.submit.venues.uniswap_v3.pools import (  # noqa: PLC0415 - the node's client takes its time
        check_budget_token,
        read_pools,
        read_references,
    )

    node, file = reading.node, reading.file
    named = [(find_places(file, _ROLES, reading.known, file.chain), file.pools)] if file.pools else []
    for each in reading.sections:
        assert isinstance(each, FurtherDeployment)
        named.append(({role: getattr(each, role) for role in _ROLES}, each.pools))
    if not named:
        return None
    _check_apart([places for places, _ in named])
    deployments = tuple(
        [
            ListedDeployment(
                router=places["router"],
                position_manager=places["position_manager"],
                pools=await read_pools(node, pools, factory=places["factory"]),
            )
            for places, pools in named
        ]
    )
    pools = tuple(pool for each in deployments for pool in each.pools)
    factories = tuple(places["factory"] for places, _ in named)
    references = await read_references(node, file.references_named(file.chain), pools, factory=factories[0])
    check_budget_token(pools, file.budget_token)
    return terms_of(file, deployments, references=references)


def _check_apart(deployments: Sequence[Mapping[str, Address]]) -> None:
    """Check that no two deployments share a router or a position manager. Raises: SettingsError."""
    contracts = [places[role] for places in deployments for role in ("router", "position_manager")]
    for contract in contracts:
        if contracts.count(contract) > 1:
            raise SettingsError(f"venues: {contract} is a contract of two deployments, or has two roles")


def terms_of(
    file: FirstDeployment, deployments: tuple[ListedDeployment, ...], **read: object
) -> UniswapV3Terms:
    """Combine the file's numbers with what was read from the chain."""
    return UniswapV3Terms(
        deployments=deployments,
        twap_window_s=file.twap_window,
        max_observation_age_s=file.max_observation_age,
        max_spot_from_twap_log_bps=file.max_spot_from_twap,
        max_spot_from_twap_withdrawing_log_bps=file.max_spot_from_twap_withdrawing,
        swap_tolerance_bps=file.swap_tolerance,
        max_share_of_depth_bps=file.max_share_of_depth,
        **read,  # type: ignore[arg-type]
    )


HALF = SignerHalf(section=FurtherDeployment, read=read_terms)
