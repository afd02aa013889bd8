"""The signer's file: whose key, and what it may be made to sign at most. No topic and no policy can widen it."""

import re
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from contracts_abi import Deployment, UnknownContractError, load_deployment
from pipeline.errors import SettingsError
from pipeline.units import Address, BookId, Bps, ChainId, RawAmount, Seconds, Wei
from streams.chain_numbers import DEVNET, numbers_of
from streams.portfolio.sections import Addr, Duration, SecretUrl, Section, Share
from streams.private_file import guard_place, owned_text
from streams.redaction import remember_secret
from streams.settings import DevnetWorld
from streams.submit.limits import Budget, NamedReferences, PricedPool, References, SignerLimits
from streams.submit.reference_sections import ReferencesSection
from streams.submit.relay import SendMethod
from streams.submit.signer_checks import problems_in_signer
from streams.yaml_positions import problems_of, read_yaml

_WEI_OF_ETHER = 18
_WEI_OF_GWEI = 9
_MOST_LOSS_BPS = 1_000
_SHORTEST_WINDOW_S = 180
_DAY_S = 86_400
_MOST_TOLERANCE_BPS = 100
_WHOLE_BPS = 10_000
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
            raise ValueError(f"{text!r} is no number") from None
        if not wei.is_finite() or wei != int(wei) or wei < 0:
            raise ValueError(f"{text!r} is no amount that a wei divides")
        return Wei(int(wei))

    return BeforeValidator(parse)


def _sane_loss(loss_bps: Bps) -> Bps:
    if not 0 < loss_bps <= _MOST_LOSS_BPS:
        raise ValueError("must be above 0 and at most 10%")
    return loss_bps


def _sane_window(window_s: Seconds) -> Seconds:
    if not _SHORTEST_WINDOW_S <= window_s <= _DAY_S:
        raise ValueError("must be 3m to 1d: a single trader can hold the price of a shorter one")
    return window_s


def _sane_tolerance(tolerance_bps: Bps) -> Bps:
    if not 0 < tolerance_bps <= _MOST_TOLERANCE_BPS:
        raise ValueError("must be above 0 and at most 1%: whoever trades before the swap takes as much")
    return tolerance_bps


def _sane_share(share_bps: Bps) -> Bps:
    if not 0 < share_bps <= _WHOLE_BPS:
        raise ValueError("must be above 0 and at most 100%")
    return share_bps


def _whole_version(version: str) -> str:
    if not _VERSION.fullmatch(version):
        raise ValueError("must be a policy's whole version, 64 hex digits, as `evenkeel check` prints it")
    return version


Amount = Annotated[Decimal, Field(gt=0, le=10**15)]
Version = Annotated[str, AfterValidator(_whole_version)]
Ether = Annotated[Wei, _wei(_WEI_OF_ETHER)]
Gwei = Annotated[Wei, _wei(_WEI_OF_GWEI)]


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where Uniswap V3 stands for a signer."""

    factory: Address
    router: Address
    position_manager: Address
    wrapped_native: Address


class SignerFile(Section):
    """A whole file."""

    chain: Annotated[ChainId, Field(gt=0)] = Field(description="the chain's number, 1 for Ethereum")
    keystore: Path | None = None
    password_file: Path | None = None
    devnet_account: Addr | None = None
    """One of anvil's well-known accounts instead of a keystore."""
    stop_file: Path | None = None
    """While it exists nothing new is signed; by default beside this file, with `.stop` behind its name."""
    pools: tuple[Addr, ...] = Field(description="the pools that may be traded and provided in")
    factory: Addr | None = None
    router: Addr | None = None
    position_manager: Addr | None = None
    wrapped_native: Addr | None = None
    single_node: bool = False
    """One node's word is enough."""
    allow_http: bool = False
    """Nodes of other machines may be asked without encryption."""
    send_url: SecretUrl | None = None
    """A private relay. Secret: its key is in it."""
    send_method: SendMethod = "eth_sendRawTransaction"
    public_after_blocks: Annotated[int, Field(ge=1, le=_MOST_PRIVATE_BLOCKS)] | None = None
    """After so many blocks private bytes are sent publicly; unless written, never."""
    policies: dict[BookId, Version] | None = None
    """The only policies that it acts for, by book; may be left out on a devnet alone."""
    budget_token: Addr = Field(
        description="the token that losses and amounts are counted in, one of the pools'"
    )
    max_loss_per_day: Amount = Field(description="what 24 hours may lose at worst, in the budget's token")
    max_notional: Amount = Field(description="what one transaction may move, in the budget's token")
    max_notional_per_day: Amount = Field(description="what 24 hours may move, in the budget's token")
    max_actions_per_hour: Annotated[int, Field(ge=1, le=1_000)] = 12
    standing_allowances: dict[Addr, Amount] = Field(
        default={}, description="by token, what router and position manager may each be allowed"
    )
    references: ReferencesSection = ReferencesSection()
    single_reference: bool = False
    """A pair may be priced by its pool alone."""
    twap_window: Annotated[Duration, AfterValidator(_sane_window)] = Seconds(300)
    max_observation_age: Annotated[Duration, Field(gt=0, le=_DAY_S)] = Seconds(3_600)
    max_spot_from_twap_ticks: Annotated[int, Field(ge=1, le=2_000)] | None = None
    max_loss: Annotated[Share, AfterValidator(_sane_loss)] = Bps(100)
    swap_tolerance: Annotated[Share, AfterValidator(_sane_tolerance)] = Bps(15)
    max_share_of_depth: Annotated[Share, AfterValidator(_sane_share)] = Bps(1_000)
    max_gas_limit: Annotated[int, Field(ge=_LEAST_GAS, le=_MOST_GAS)] = 5_000_000
    max_gas_ether: Ether = Wei(10**18 // 4)
    max_gas_ether_per_day: Ether = Wei(10**18)
    gas_reserve_ether: Ether = Wei(10**18 // 20)
    max_transactions_per_day: Annotated[int, Field(ge=1, le=10_000)] = 200
    max_deadline: Duration = Seconds(900)
    max_fee_gwei: Gwei = Wei(200 * 10**9)
    cancel_max_fee_gwei: Gwei = Wei(300 * 10**9)
    min_tip_gwei: Gwei = Wei(10**8)
    max_tip_gwei: Gwei = Wei(20 * 10**9)
    # What follows is the chain's, unless it is named.
    max_age_blocks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    bump_after_blocks: Annotated[int, Field(ge=1, le=1_000)] | None = None
    final_depth_blocks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    block_time: Duration | None = None

    def named_references(self) -> NamedReferences:
        """List what the file says prices its pairs. The devnet may do with a single pool."""
        return self.references.named(may_be_single=self.single_reference or self.chain == DEVNET)

    def limits(
        self,
        places: Places,
        pools: tuple[PricedPool, ...],
        references: References,
        decimals: Mapping[Address, int],
    ) -> SignerLimits:
        """Put the file's numbers together with what was read of the chain."""
        chain = numbers_of(self.chain)
        return SignerLimits(
            router=places.router,
            position_manager=places.position_manager,
            wrapped_native=places.wrapped_native,
            pools=pools,
            references=references,
            budget=self.budget(decimals[self.budget_token]),
            standing_allowances={
                token: _raw(amount, decimals[token]) for token, amount in self.standing_allowances.items()
            },
            policies=self.policies,
            twap_window_s=self.twap_window,
            max_observation_age_s=self.max_observation_age,
            max_spot_from_twap_ticks=self.max_spot_from_twap_ticks,
            max_loss_bps=self.max_loss,
            swap_tolerance_bps=self.swap_tolerance,
            max_share_of_depth_bps=self.max_share_of_depth,
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
            block_s=self.block_time or chain.block_s,
        )

    def counted_tokens(self) -> dict[Address, str]:
        """List the tokens that the file counts something in, each with the field that names it."""
        standing = dict.fromkeys(self.standing_allowances, "standing_allowances")
        return {**standing, self.budget_token: "budget_token"}

    def budget(self, decimals: int) -> Budget:
        """Turn the budget's amounts into the token's smallest units. Rounds: down."""
        return Budget(
            token=self.budget_token,
            max_loss_per_day=_raw(self.max_loss_per_day, decimals),
            max_notional=_raw(self.max_notional, decimals),
            max_notional_per_day=_raw(self.max_notional_per_day, decimals),
            max_actions_per_hour=self.max_actions_per_hour,
        )


def _raw(amount: Decimal, decimals: int) -> RawAmount:
    return RawAmount(int(amount.scaleb(decimals, _WIDE)))


def load_signer_file(path: Path) -> SignerFile:
    """Read a signer's file. Raises: SettingsError naming file, line, column and field."""
    document = read_yaml(owned_text(path), str(path))
    try:
        file = SignerFile.model_validate(document.value if document.value is not None else {})
    except ValidationError as error:
        raise document.refuse(problems_of(error, SignerFile)) from None
    problems = list(problems_in_signer(file))
    if problems:
        raise document.refuse(problems)
    if file.send_url is not None:
        remember_secret(file.send_url.get_secret_value())
    if file.keystore is not None:
        guard_place(path)  # the devnet's keys are everybody's, wherever its file lies
    return file


def places_of(file: SignerFile, devnet: DevnetWorld | None) -> Places:
    """Take each place from the file, else from the devnet or from where its publishers put it.

    Raises: SettingsError naming what nobody says.
    """
    known = _known_places(file.chain, devnet)
    found = {
        name: getattr(file, name) or known.get(name)
        for name in ("factory", "router", "position_manager", "wrapped_native")
    }
    missing = [name for name, address in found.items() if address is None]
    if missing:
        raise SettingsError(
            f"{', '.join(missing)}: not known for chain {file.chain}, name it in the signer's file"
        )
    return Places(**{name: address for name, address in found.items() if address is not None})


def _known_places(chain_id: ChainId, devnet: DevnetWorld | None) -> dict[str, Address | None]:
    if devnet is not None and devnet.chain_id == chain_id:
        return {
            "factory": devnet.factory,
            "router": devnet.router,
            "position_manager": devnet.position_manager,
            "wrapped_native": devnet.weth,
        }
    try:
        public: Deployment = load_deployment(chain_id)
    except UnknownContractError:
        return {}
    return {
        "factory": Address(public.factory),
        "router": Address(public.router),
        "position_manager": Address(public.position_manager),
        "wrapped_native": Address(public.wrapped_native),
    }
