"""The files of chains, one each: times, depths, how data is paid for, and contracts' addresses."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from contracts_abi.file_forms import FileFormError, read_text, take_form

_HERE = Path(__file__).parent
_FOLDER = "contracts_abi/chains"
"""As errors name it."""

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Address = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{40}$")]
_CodeHash = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-f]{64}$")]
_Blocks = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
_Gas = Annotated[int, msgspec.Meta(ge=0, le=30_000_000)]


class ChainFileError(ValueError):
    """A chain's file is not of the form that it must have; the text names file and field."""


class ChainBlocks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often blocks come, and how far they may go away again."""

    time_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)]
    """Between blocks, in milliseconds."""
    final_depth: _Blocks
    """So many blocks below the head nothing goes back any more."""
    tags: tuple[Literal["safe", "finalized"], ...] = ()
    """Which names of a block the chain's nodes answer to."""
    late_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None
    """Age of the newest block, in seconds by the clock, beyond which nodes lag or are cut off, and an alert is raised. None: never."""

    @property
    def time_s(self) -> int:
        """Between blocks, in seconds. Rounds: up, for chains that make several in a second."""
        return -(-self.time_ms // 1_000)


class ChainWaits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how many blocks a transaction, or what asks for it, is waited for."""

    bump_after_blocks: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    """Without being mined; then more is offered."""
    intent_age_blocks: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    """So long after its block a book's transaction may be signed."""
    max_age_blocks: _Blocks
    """The same, for whatever a signer is asked."""
    max_ahead_blocks: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    """So far one node may be behind another."""
    cancel_gas: Annotated[int, msgspec.Meta(ge=21_000, le=30_000_000)] = 21_000
    """The limit of a transaction that only takes a nonce."""


class ChainData(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What posting a transaction's data elsewhere costs."""

    paid: Literal["none", "fee", "gas"] = "none"
    """Nothing more, a fee beside the gas, or gas within the limit."""
    book_fee_wei: Annotated[int, msgspec.Meta(ge=0, le=10**18)] = 0
    """What a book reckons with for a transaction of its own beside its gas; the signer asks the chain."""
    book_gas: _Gas = 0
    """Gas that a book adds to each transaction's limit for its data."""


class ChainContracts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Uniswap V3 and the wrapped coin stand, as `source` lists them."""

    source: _Text
    wrapped_native: _Address
    factory: _Address
    position_manager: _Address
    router: _Address | None = None
    pool_init_code_hash: _CodeHash | None = None
    """Keccak-256 of the code that makes a pool: its address follows from it."""
    code_hashes: dict[Literal["wrapped_native", "factory", "position_manager", "router"], _CodeHash] = {}
    """Keccak-256 of the code that stands at each, where it is known."""

    def places(self) -> Mapping[str, str]:
        """List the contracts by role."""
        named = {role: getattr(self, role) for role in ROLES}
        return {role: address for role, address in named.items() if address is not None}

    def taken_by(self, holder: object) -> list[str]:
        """List the roles in which something with fields of their names has these contracts, or names none."""
        places = self.places()
        return [role for role in ROLES if getattr(holder, role, None) in {None, places.get(role)}]


ROLES = ("wrapped_native", "factory", "position_manager", "router")
"""Of `contracts`."""


class LendingContracts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where Aave V3's main market stands, as `source` lists it."""

    source: _Text
    pool: _Address
    configurator: _Address
    oracle: _Address

    def places(self) -> Mapping[str, str]:
        """List the contracts by role."""
        return {"pool": self.pool, "configurator": self.configurator, "oracle": self.oracle}


class UptimeFeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Chainlink's feed of whether the chain's sequencer is up."""

    source: _Text
    uptime_feed: _Address
    grace_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)]
    """So long after it is back no price of the chain is acted at."""


class KnownFeed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Chainlink price feed: its address, its heartbeat and its deviation threshold."""

    address: _Address
    heartbeat_s: Annotated[int, msgspec.Meta(ge=1, le=604_800)]
    """After so long at the latest, in seconds."""
    deviation_bps: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None
    """Before that, once the price has moved by so much. None: not known."""

    @property
    def max_age_s(self) -> int:
        """Return the age up to which an answer is relied on: the heartbeat and a tenth, in seconds. Rounds: up."""
        return -(-self.heartbeat_s * 11 // 10)


class PriceFeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chain's Chainlink price feeds, as `source` lists them."""

    source: _Text
    pairs: dict[_Text, KnownFeed]
    """By the description that each gives of itself, such as `ETH / USD`."""


class ChainFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is known of a chain. Addresses are in lower case."""

    chain_id: Annotated[int, msgspec.Meta(gt=0)]
    name: _Text
    blocks: ChainBlocks
    transactions: ChainWaits
    contracts: ChainContracts
    data: ChainData = ChainData()
    stable_tokens: dict[str, str] = {}
    """By symbol, what counts as money; `source` is where that is from."""
    sequencer: UptimeFeed | None = None
    aave_v3: LendingContracts | None = None
    feeds: PriceFeeds | None = None
    file: str = ""
    """Where it was read: errors name it. No field of the file's own."""

    def lacks(self) -> Iterator[str]:
        """Name what is not known of the chain, in words."""
        if self.contracts.router is None:
            yield "a router, which live books need"
        if self.contracts.pool_init_code_hash is None:
            yield "the pools' init-code hash"
        unstated = [role for role in self.contracts.places() if role not in self.contracts.code_hashes]
        if unstated:
            yield f"the code hash of {', '.join(unstated)}"
        if not self.stable_tokens:
            yield "stable tokens"
        if self.aave_v3 is None:
            yield "a lending market"
        if self.feeds is None:
            yield "price feeds"


@cache
def known_chains() -> Mapping[int, ChainFile]:
    """Read the chains of this package, by number."""
    found = [
        parse_chain_file(path.read_text(encoding="utf-8"), f"{_FOLDER}/{path.name}")
        for path in sorted(_HERE.glob("*.toml"))
    ]
    return {chain.chain_id: chain for chain in sorted(found, key=lambda chain: chain.chain_id)}


def read_chain_file(path: Path) -> ChainFile:
    """Read a chain's file that a user named. Raises: ChainFileError."""
    try:
        text = read_text(path)
    except FileFormError as error:
        raise ChainFileError(f"cannot read {path}: {error}") from None
    return parse_chain_file(text, str(path))


def parse_chain_file(text: str, file: str) -> ChainFile:
    """Read one chain's file.

    Raises: ChainFileError naming file and line, or file and field, of what is wrong.
    """
    written = _read_toml(text, file)
    try:
        chain = take_form(_lower_case(written), ChainFile)
    except FileFormError as error:
        raise ChainFileError(f"{file}: {error}") from None
    if "file" in written:
        raise ChainFileError(f"{file}: file: unknown field")
    for field, says in _contradictions(chain):
        raise ChainFileError(f"{file}: {field}: {says}")
    tokens = {symbol: address for symbol, address in chain.stable_tokens.items() if symbol != "source"}
    return msgspec.structs.replace(chain, stable_tokens=tokens, file=file)


def _read_toml(text: str, file: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        says = f"{str(error)[:1].lower()}{str(error)[1:]}"
    except ValueError:  # Python's own limit
        says = "a number has too many digits"
    except RecursionError:
        says = "values lie too deep inside each other"
    raise ChainFileError(f"{file}: no TOML: {says}")


def _contradictions(chain: ChainFile) -> Iterator[tuple[str, str]]:
    data = chain.data
    if (data.paid == "fee") != (data.book_fee_wei > 0):
        yield "data.book_fee_wei", "must be above 0 where data.paid is fee, and only there"
    if (data.paid == "gas") != (data.book_gas > 0):
        yield "data.book_gas", "must be above 0 where data.paid is gas, and only there"
    if chain.transactions.intent_age_blocks > chain.transactions.max_age_blocks:
        yield "transactions.intent_age_blocks", "is more than transactions.max_age_blocks"
    if chain.stable_tokens and "source" not in chain.stable_tokens:
        yield "stable_tokens.source", "missing"
    for symbol, address in chain.stable_tokens.items():
        if symbol != "source" and not re.fullmatch("0x[0-9a-f]{40}", address):
            yield f"stable_tokens.{symbol}", f"{address} is not an address"
    for role in chain.contracts.code_hashes:
        if role not in chain.contracts.places():
            yield f"contracts.code_hashes.{role}", f"contracts.{role} is not named"


def _lower_case(value: object) -> object:
    """Put addresses into lower case: that is how they are compared."""
    if isinstance(value, dict):
        return {key: _lower_case(inner) for key, inner in value.items()}
    return value.lower() if isinstance(value, str) and value.startswith("0x") else value
