"""Load a signer's limits once at start: its file, with what the chain says of the contracts and tokens in it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import CallRevertedError, SettingsError, UnreadableError
from pipeline.units import Address
from pipeline.venues.abi import function
from streams.submit.contract_addresses import find_places, known_places
from streams.submit.limits import SignerLimits
from streams.submit.node import SenderNode
from streams.submit.sequencer import check_uptime_feed
from streams.submit.signer_file import SignerFile
from streams.submit.venues.port import FileReading, VenueTerms
from streams.submit.venues.registry import HALVES, check_apart, venues_of

if TYPE_CHECKING:
    from streams.run_folder import DevnetWorld

_MOST_DECIMALS = 36


async def read_limits(node: SenderNode, file: SignerFile, devnet: "DevnetWorld | None") -> SignerLimits:
    """Read the terms of every venue that the file names, and convert its amounts. Raises: SettingsError, NodeError."""
    await check_uptime_feed(node, file.uptime_feed())
    known = known_places(file.chain, devnet)
    sections = file.sections()
    venues: list[VenueTerms] = []
    for kind, half in HALVES.items():
        named = [each for each in sections if each.kind == kind]
        terms = await half.read(FileReading(node=node, file=file, sections=named, known=known))
        if terms is not None:
            venues.append(terms)
    tokens = tuple(token for venue in venues for token in venue.tokens)
    decimals = await read_token_decimals(node, tokens, file.counted_tokens())
    wrapped = find_places(file, ("wrapped_native",), known, file.chain)["wrapped_native"]
    limits = file.limits(tuple(venues), decimals, wrapped_native=wrapped)
    check_apart(venues_of(limits))
    return limits


async def read_token_decimals(
    node: SenderNode, tokens: Sequence[Address], counted: Mapping[Address, str]
) -> dict[Address, int]:
    """Read the decimals of the tokens that a signer's file states amounts in; errors name the field.

    Raises: SettingsError naming the field where a token is none of a listed pool's, or does not tell.
    """
    at = (await node.newest()).block.hash
    asked = function("tokens/ERC20", "decimals")
    found: dict[Address, int] = {}
    for token, field in counted.items():
        if token not in tokens:
            raise SettingsError(f"{field}: {token} is a token of none of the listed pools")
        try:
            (decimals,) = asked.answer(await node.call(token, asked.encode(), at))
        except (CallRevertedError, UnreadableError):
            raise SettingsError(f"{field}: {token} does not tell its decimals") from None
        if decimals > _MOST_DECIMALS:
            raise SettingsError(f"{field}: {token} has {decimals} decimals")
        found[token] = int(decimals)
    return found
