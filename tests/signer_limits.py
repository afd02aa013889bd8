"""A signer's limits for tests: the fields of the signer and of Uniswap V3 in one call, with one deployment by default."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from streams.submit.limits import SignerLimits
from streams.submit.venues.uniswap_v3.terms import ListedDeployment, UniswapV3Terms

_OF_DEPLOYMENT = frozenset(ListedDeployment.__struct_fields__)
_OF_TERMS = frozenset(UniswapV3Terms.__struct_fields__)


def signer_limits(**fields: Any) -> SignerLimits:
    deployment, terms, own = _split(fields)
    named = {"deployments": (ListedDeployment(**deployment),)} if deployment else {}
    return SignerLimits(venues=(UniswapV3Terms(**named | terms),), **own)


def changed(limits: SignerLimits, **fields: Any) -> SignerLimits:
    """Change fields of a signer's limits, or of the one deployment that they have."""
    deployment, terms, own = _split(fields)
    was = uniswap(limits)
    if deployment:
        (first,) = was.deployments
        terms["deployments"] = (replace(first, **deployment),)
    return replace(limits, venues=(replace(was, **terms),), **own)


def uniswap(limits: SignerLimits) -> UniswapV3Terms:
    (terms,) = limits.venues
    assert isinstance(terms, UniswapV3Terms)
    return terms


def _split(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    return (
        {name: value for name, value in fields.items() if name in _OF_DEPLOYMENT},
        {name: value for name, value in fields.items() if name in _OF_TERMS},
        {name: value for name, value in fields.items() if name not in _OF_DEPLOYMENT | _OF_TERMS},
    )
