"""The signer's file: its key, and the limits of what it may sign. No topic and no policy can widen it."""

import re
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from contracts_abi.chains import known_chains
from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import Address, BookId, Bps, ChainId, PoolId, RawAmount, Seconds, Wei
from streams.amounts import PositiveAmount
from streams.chain_numbers import numbers_of
from streams.portfolio.fields import Addr, Duration, SecretUrl, Share, share_up_to
from streams.portfolio.sequencer_section import SequencerSection
from streams.private_file import guard_place, owned_text
from streams.redaction import remember_secret
from streams.submit.limits import Budget, SignerLimits
from streams.submit.relay import SendMethod
from streams.submit.signer_checks import problems_in_signer
from streams.submit.venues.port import VenueEntry, VenueFields, VenueTerms
from streams.submit.venues.registry import HALVES, OwnFields
from streams.yaml_positions import FieldPath, Problem, did_you_mean, problems_of, read_yaml

_WEI_OF_ETHER = 18
_WEI_OF_GWEI = 9
_MOST_LOSS = Bps(1_000)
_MOST_GAS = 30_000_000
_LEAST_GAS = 21_000
_WIDE = Context(prec=160)
_VERSION = re.compile(r"[0-9a-f]{64}")
_MOST_PRIVATE_BLOCKS = 10_000


def _wei(decimals: int) -> BeforeValidator:
    def parse(text: object) -> Wei:
        try:
            wei = Decimal(str(text)).scaleb(decimals)
        except InvalidOperation:
            raise ValueError(f"{text!r} is not a number") from None
        if not wei.is_finite() or wei != int(wei) or wei < 0:
            raise ValueError(f"{text!r} is not an amount that a wei divides")
        return Wei(int(wei))

    return BeforeValidator(parse)


def _whole_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise ValueError("must be a policy's whole version, 64 hex digits, as `evenkeel check` prints it")
    return version


Version = Annotated[str, AfterValidator(_whole_version)]
Ether = Annotated[Wei, _wei(_WEI_OF_ETHER)]
Gwei = Annotated[Wei, _wei(_WEI_OF_GWEI)]


class SignerFile(OwnFields):
    """The signer's file."""

    chain: Annotated[ChainId, Field(gt=0)] = Field(description="the chain's id, 1 for Ethereum")
    keystore: Path | None = None
    """The keystore file of the key, version 3, with mode 0600."""
    password_file: Path | None = None
    """A file with the keystore's password on one line, with mode 0600."""
    devnet_account: Addr | None = None
    """One of anvil's well-known accounts instead of a keystore."""
    stop_file: Path | None = None
    """The file whose existence stops all signing; by default this file's name followed by `.stop`."""
    sequencer: SequencerSection = SequencerSection()
    """The uptime feed of the chain's sequencer; not needed for built-in chains."""
    wrapped_native: Addr | None = None
    """The token that wraps the chain's coin; not needed for built-in chains."""
    venues: tuple[VenueEntry, ...] = ()
    """Further venues: name, kind, and the fields of the kind."""
    single_node: bool = False
    """Whether the answers of a single node are enough."""
    allow_http: bool = False
    """Whether nodes on other machines may be asked without encryption."""
    send_url: SecretUrl | None = None
    """The URL of a private relay. Secret, because it may contain a key."""
    send_method: SendMethod = "eth_sendRawTransaction"
    """The method by which transactions are sent to the relay."""
    public_after_blocks: Annotated[int, Field(ge=1, le=_MOST_PRIVATE_BLOCKS)] | None = None
    """After how many blocks a private transaction is sent publicly too; by default never."""
    policies: dict[BookId, Version] | None = None
    """The policy version of each book; intents of other versions are refused. May be left out on a devnet only."""
    budget_token: Addr = Field(
        description="the token in which losses and amounts are counted; one of the pools' tokens"
    )
    max_loss_per_day: PositiveAmount = Field(
        description="the largest worst-case loss within 24 hours, in the budget's token"
    )
    max_notional: PositiveAmount = Field(
        description="the most that one transaction may move, in the budget's token"
    )
    max_notional_per_day: PositiveAmount = Field(
        description="the most that may be moved within 24 hours, in the budget's token"
    )
    max_actions_per_hour: Annotated[int, Field(ge=1, le=1_000)] = 12
    """The most transactions per hour that trade or move liquidity."""
    standing_allowances: dict[Addr, PositiveAmount] = Field(
        default={}, description="by token, the largest allowance of each contract that takes tokens"
    )
    max_loss: Annotated[Share, share_up_to(_MOST_LOSS)] = Bps(100)
    """The most that one transaction may lose at its worst price, as a share of what it moves."""
    max_gas_limit: Annotated[int, Field(ge=_LEAST_GAS, le=_MOST_GAS)] = 5_000_000
    """The highest gas limit of one transaction."""
    max_gas_ether: Ether = Wei(10**18 // 4)
    """The most that the gas of one transaction may cost, in whole coins of the chain."""
    max_gas_ether_per_day: Ether = Wei(10**18)
    """The most that gas may cost within 24 hours, in whole coins of the chain."""
    gas_reserve_ether: Ether = Wei(10**18 // 20)
    """The amount of coins that a transaction which wraps coins must leave for gas."""
    max_transactions_per_day: Annotated[int, Field(ge=1, le=10_000)] = 200
    """The most transactions within 24 hours."""
    max_deadline: Duration = Seconds(900)
    """How long after the head's timestamp a signed transaction may be mined at most."""
    max_fee_gwei: Gwei = Wei(200 * 10**9)
    """The highest fee per unit of gas, in gwei."""
    cancel_max_fee_gwei: Gwei = Wei(300 * 10**9)
    """The highest fee per unit of gas of a cancellation, in gwei."""
    min_tip_gwei: Gwei = Wei(10**8)
    """The lowest priority fee per unit of gas, in gwei."""
    max_tip_gwei: Gwei = Wei(20 * 10**9)
    """The highest priority fee per unit of gas, in gwei; a cancellation may offer twice as much."""
    # The defaults of the following fields depend on the chain.
    max_age_blocks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many blocks after its own block an intent may be signed at most; the default depends on the chain."""
    bump_after_blocks: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """After how many blocks a transaction that is not mined is bumped; the default depends on the chain."""
    final_depth_blocks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """The depth below the head at which a block is final; the default depends on the chain."""
    block_time: Duration | None = None
    """The time between blocks; the default depends on the chain."""

    def sections(self) -> tuple[VenueFields, ...]:
        """Read each further venue by its kind. Raises: ValidationError, KeyError where the kind is unknown."""
        return tuple(HALVES[each.kind].section.model_validate(dict(each)) for each in self.venues)

    def names_pool(self, pool: PoolId) -> bool:
        """Return whether a book's pool may be acted in, at any venue."""
        return pool in self.pools or any(each.names_pool(pool) for each in self.sections())

    def limits(
        self, venues: tuple[VenueTerms, ...], decimals: Mapping[Address, int], *, wrapped_native: Address
    ) -> SignerLimits:
        """Combine the file's numbers with what was read from the chain."""
        chain = numbers_of(self.chain)
        return SignerLimits(
            wrapped_native=wrapped_native,
            venues=venues,
            budget=self.budget(decimals[self.budget_token]),
            standing_allowances={
                token: _raw(amount, decimals[token]) for token, amount in self.standing_allowances.items()
            },
            policies=self.policies,
            max_loss_bps=self.max_loss,
            max_gas_limit=self.max_gas_limit,
            max_gas_wei=self.max_gas_ether,
            max_gas_wei_per_day=self.max_gas_ether_per_day,
            gas_reserve_wei=self.gas_reserve_ether,
            max_transactions_per_day=self.max_transactions_per_day,
            max_age_blocks=self.max_age_blocks or chain.max_age_blocks,
            max_ahead_blocks=chain.max_ahead_blocks,
            max_deadline_s=self.max_deadline,
            max_fee_per_gas_wei=self.max_fee_gwei,
            cancel_max_fee_per_gas_wei=self.cancel_max_fee_gwei,
            min_tip_wei=self.min_tip_gwei,
            max_tip_wei=self.max_tip_gwei,
            bump_after_blocks=self.bump_after_blocks or chain.bump_after_blocks,
            final_depth_blocks=self.final_depth_blocks or chain.final_depth_blocks,
            cancel_gas=chain.cancel_gas,
            data_fee=chain.data_fee,
            stays_private=self.send_url is not None and self.public_after_blocks is None,
            sequencer=self.uptime_feed(),
            block_s=self.block_time or chain.block_s,
        )

    def uptime_feed(self) -> SequencerFeed | None:
        """Return the uptime feed: the file's own, else that of the chain as this release knows it."""
        return self.sequencer.feed(known_chains().get(self.chain))

    def counted_tokens(self) -> dict[Address, str]:
        """List the tokens that the file states amounts in, each with the field that names it."""
        standing = dict.fromkeys(self.standing_allowances, "standing_allowances")
        return {**standing, self.budget_token: "budget_token"}

    def budget(self, decimals: int) -> Budget:
        """Convert the budget's amounts into raw units. Rounds: down."""
        return Budget(
            token=self.budget_token,
            max_loss_per_day=_raw(self.max_loss_per_day, decimals),
            max_notional=_raw(self.max_notional, decimals),
            max_notional_per_day=_raw(self.max_notional_per_day, decimals),
            max_actions_per_hour=self.max_actions_per_hour,
        )


def _raw(amount: Decimal, decimals: int) -> RawAmount:
    return RawAmount(int(amount.scaleb(decimals, _WIDE)))


def _problems_in_venues(file: SignerFile) -> Iterator[Problem]:
    """Find further venues of an unknown kind, and fields that their kind does not have."""
    for i, each in enumerate(file.venues):
        path: FieldPath = ("venues", i)
        half = HALVES.get(each.kind)
        if half is None:
            yield Problem(
                (*path, "kind"), f"{each.kind} is not a kind of venue{did_you_mean(each.kind, HALVES)}"
            )
            continue
        try:
            half.section.model_validate(dict(each))
        except ValidationError as error:
            for problem in problems_of(error, half.section):
                yield Problem((*path, *problem.path), problem.says)


def load_signer_file(path: Path) -> SignerFile:
    """Read a signer's file. Raises: SettingsError naming file, line, column and field."""
    document = read_yaml(owned_text(path), str(path))
    try:
        file = SignerFile.model_validate(document.value if document.value is not None else {})
    except ValidationError as error:
        raise document.refuse(problems_of(error, SignerFile)) from None
    problems = [*problems_in_signer(file), *_problems_in_venues(file)]
    if problems:
        raise document.refuse(problems)
    if file.send_url is not None:
        remember_secret(file.send_url.get_secret_value())
    if file.keystore is not None:
        guard_place(path)  # the devnet's keys are everybody's, wherever its file lies
    return file
