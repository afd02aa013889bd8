"""The registry of the signer's halves of venues, the only module here that names their packages. A further kind is a line in `HALVES`."""

from collections.abc import Sequence

from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import UNISWAP_V3
from pipeline.units import Address
from streams.submit.limits import SignerLimits
from streams.submit.venues.aave_v3 import half as aave_v3
from streams.submit.venues.port import SignerHalf, VenueTerms
from streams.submit.venues.uniswap_v3 import half as uniswap_v3
from streams.submit.venues.uniswap_v3.section import FirstDeployment as OwnFields
from streams.submit.venues.wallet.wallet import WalletTerms, takes_back

__all__ = ["HALVES", "OwnFields", "check_apart", "takes_back", "venues_of"]

HALVES: dict[str, SignerHalf] = {UNISWAP_V3: uniswap_v3.HALF, "aave_v3": aave_v3.HALF}
"""What a signer's file may name. The wallet is not a deployment: each signer has it, last. `OwnFields` are those of the file
itself, the short form of its first venue."""


def venues_of(limits: SignerLimits) -> tuple[VenueTerms, ...]:
    """List a signer's venues; the wallet comes last, since its tokens and spenders are those of the others."""
    wallet = WalletTerms(
        wrapped_native=limits.wrapped_native,
        venues=limits.venues,
        standing_allowances=limits.standing_allowances,
    )
    return *limits.venues, wallet


def check_apart(venues: Sequence[VenueTerms]) -> None:
    """Check that no contract belongs to two venues: an intent's venue would be ambiguous. Raises: SettingsError."""
    found: dict[Address, str] = {}
    for venue in venues:
        for contract in venue.contracts:
            other = found.setdefault(contract, venue.name)
            if other != venue.name:
                raise SettingsError(f"{contract} is a contract of {other} and of {venue.name}")
