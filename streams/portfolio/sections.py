"""The sections of the portfolio file: which fields there are and what each takes."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from contracts_abi.chains import ChainFile, known_chains, read_chain_file
from pipeline.messages.policy import LargeSwaps, Mode, StallPolicy
from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import Address, BookId, Bps, ChainId, Seconds
from streams.amounts import Amount, AmountFromZero, PositiveAmount
from streams.chain_numbers import ChainNumbers, numbers_in, numbers_of
from streams.human_numbers import parse_price_move
from streams.portfolio.fields import (
    WIDEST_SPOT,
    Addr,
    Duration,
    Pool,
    PriceMove,
    Section,
    Share,
    at_least,
    move_up_to,
)
from streams.portfolio.hedge_sections import HedgeSection
from streams.portfolio.price_sections import AssetSection, PriceHistorySection, ReferenceSection
from streams.portfolio.sequencer_section import SequencerSection


class VenueSection(Section):
    """A further venue, with name, kind, and the address of each of its contracts under the contract's role."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, Addr]

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        description="its name in this file, in lower case"
    )
    kind: str = Field(description="the kind of contracts: uniswap_v3 or aave_v3")

    @property
    def contracts(self) -> Mapping[str, Address]:
        """The address of each of its contracts, by role."""
        return self.__pydantic_extra__


def _read(path: Path) -> Path:
    read_chain_file(path)
    return path


class ChainSection(Section):
    """The chain, and the addresses of Uniswap V3 on it; by default those of its official deployment."""

    id: Annotated[ChainId, Field(gt=0)] = Field(description="the chain's id, 1 for Ethereum")
    profile: Annotated[Path, AfterValidator(_read)] | None = None
    """A file that describes the chain, in the form of those in `contracts_abi/chains`; not needed for built-in chains."""
    wrapped_native: Addr | None = None
    """The token that wraps the chain's coin; not needed for built-in chains."""
    position_manager: Addr | None = None
    """Uniswap V3's NonfungiblePositionManager; not needed for built-in chains."""
    factory: Addr | None = None
    """Uniswap V3's factory; not needed for built-in chains."""
    router: Addr | None = None
    """Uniswap V3's SwapRouter02, for live books; not needed for built-in chains."""
    live_on: ChainId | None = Field(
        default=None, description="the chain's id again, without which no book may be live"
    )
    final_depth_blocks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """The depth below the head at which a block is final; by default the chain's usual depth."""
    check_every_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """The interval in blocks at which everything that is followed is read again and compared with the chain."""
    report_every_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    """The interval in blocks at which each view is published although it has not changed."""
    max_quarantined: Annotated[int, Field(ge=0, le=10_000)] = 10
    """The most pools, positions and balances of a shard that may be in quarantine; more halt the shard."""
    sequencer: SequencerSection = SequencerSection()
    """The uptime feed of the chain's sequencer, where one orders the blocks."""
    venues: tuple[VenueSection, ...] = ()
    """Further venues: other deployments of Uniswap V3, and venues of hedges such as lending markets."""

    def file(self) -> ChainFile | None:
        """Read the file that describes the chain, where one is named. Raises: ChainFileError where it has changed since."""
        return None if self.profile is None else read_chain_file(self.profile)

    def numbers(self) -> ChainNumbers:
        """Look up what differs from chain to chain: in the file that is named, else by the chain's number."""
        file = self.file()
        return numbers_of(self.id) if file is None else numbers_in(file)

    def feed_ages(self) -> Mapping[Address, Seconds]:
        """Look up how old the answers of the price feeds that the chain's file knows may be, by feed."""
        file = self.file() or known_chains().get(self.id)
        if file is None or file.feeds is None:
            return {}
        return {Address(feed.address): Seconds(feed.max_age_s) for feed in file.feeds.pairs.values()}

    def uptime_feed(self) -> SequencerFeed | None:
        """Return which feed the books go by: this section's above that of the chain's file; None where neither names one."""
        return self.sequencer.feed(self.file() or known_chains().get(self.id))


class TokenSection(Section):
    """A token of the book."""

    symbol: Annotated[str, StringConstraints(pattern=r"^\S{1,32}$")]
    """The symbol by which the file and all screens name it."""
    address: Addr
    """The address of its contract."""
    decimals: Annotated[int, Field(ge=0, le=36)]
    """The token's decimals: a whole token is 10 to this power of raw units."""


class TargetBandSection(Section):
    """The strategy `target_band`, which brings the base share back once it has left its band."""

    name: Literal["target_band"]
    """The strategy's name."""
    target_share: Share = Bps(5_000)
    """The wanted share of the base in the book's value."""
    band: Share = Bps(1_000)
    """How far the share may be from its target, to either side."""
    hysteresis: Share = Bps(200)
    """A share that has left the band counts as outside until it is this far inside the band again."""
    hold_out_of_range: Duration = Seconds(3_600)
    """How long all liquidity may be out of range before the book moves it."""
    cooldown: Duration = Seconds(3_600)
    """How long after a proposal no other is made."""


class SignersLimitsSection(Section):
    """The limits of the signer's file, under the same names, so that no plan exceeds them."""

    max_loss: Share = Bps(100)
    """The most that a swap or a mint may lose by its minimums, as a share of what it moves."""
    max_share_of_depth: Share = Bps(1_000)
    """The most that a swap or a mint may move, as a share of what the pool holds within 1 % of its price."""
    twap_window: Duration = Seconds(300)
    """The window of the mean price that the signer uses."""
    swap_tolerance: Share = Bps(15)
    """How far a swap's minimum may be below its output in the signer's simulation."""
    max_gas_limit: Annotated[int, Field(ge=1, le=30_000_000)] = 5_000_000
    """The highest gas limit of one transaction."""


class LimitsSection(Section):
    """The limits on each action of a live book. Amounts are in the book's quote; a limit of None follows from the pool or the chain."""

    max_cost: Share = Bps(100)
    """The most that gas, swap fee and impact of one action may cost, as a share of what it moves."""
    max_daily_cost: Share = Bps(100)
    """The most that all actions within 24 hours may cost, as a share of the book's value."""
    max_daily_gas: Share = Bps(50)
    """The most that gas alone may cost within 24 hours, as a share of the book's value."""
    max_slippage: Share | None = None
    """How far a swap's worst price may be from the reference price; the default depends on the pool's fee."""
    swap_tolerance: Share = Bps(15)
    """How far a swap's minimum may be below its output at the plan's block."""
    twap_window: Duration = Seconds(300)
    """The window of the pool's own mean price, which is the reference price."""
    max_spot_from_twap: Annotated[PriceMove, move_up_to(WIDEST_SPOT)] | None = None
    """How far spot may be from the mean; the default depends on the pool's fee."""
    max_notional: PositiveAmount | None = None
    """The most that one action may move, in whole quote; by default no limit."""
    max_daily_notional: PositiveAmount | None = None
    """The most that all actions within 24 hours may move, in whole quote; by default no limit."""
    max_actions_per_day: Annotated[int, Field(ge=1, le=1_000)] = 6
    """The most actions within 24 hours."""
    max_fee_gwei: Annotated[int, Field(ge=1, le=10_000)] = 200
    """The highest fee per unit of gas, in gwei."""
    max_age_blocks: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """How many blocks after its own block an intent may be signed at most; the default depends on the chain."""
    deadline: Duration = Seconds(300)
    """How long after its block a transaction may be mined at most."""
    signer: SignersLimitsSection = SignersLimitsSection()
    """The limits of the signer's file."""


class RerangeSection(Section):
    """The parameters of a re-range, which moves the book's liquidity to a new range around the price."""

    half_width: Annotated[PriceMove, move_up_to(parse_price_move("1000000%"))] = parse_price_move("6%")
    """How far the ends of a new range are from its middle: 6% is from /1.06 to *1.06, rounded to what the pool allows."""
    reserve_base: AmountFromZero = Decimal(0)
    """What a re-range leaves in the wallet, in whole base."""
    reserve_quote: AmountFromZero = Decimal(0)
    """What a re-range leaves in the wallet, in whole quote."""
    standing_base: Annotated[Amount, Field(ge=0, le=10**12)] = Decimal(0)
    """The allowance that router and position manager may each keep between plans, in whole base; 0: none."""
    standing_quote: Annotated[Amount, Field(ge=0, le=10**12)] = Decimal(0)
    """The same in whole quote."""
    on_stall: StallPolicy = "hold_and_alert"
    """What to do when a plan cannot go on in the middle: wait; mint without the swap; leave the tokens in the wallet and publish an alert."""
    stall_after: Duration = Seconds(600)
    """How long a plan may be stalled before `on_stall` applies; an outage of the chain or its sequencer does not count."""
    large_swaps: LargeSwaps = "split"
    """What to do with a swap so large that a sandwich of it would pay: split it into smaller steps; send it through a private relay only; refuse it."""


class PoolsAtSection(Section):
    """The pools of a book that belong to a further venue."""

    venue: str = Field(description="one of chain.venues")
    pools: Annotated[tuple[Pool, ...], at_least(1)] = Field(description="the book's pools that belong to it")


class BookSection(Section):
    """The policy of one book."""

    book: Annotated[BookId, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        description="the book's name, in lower case"
    )
    owner: Addr = Field(description="the account that holds the positions")
    accounts: tuple[Addr, ...] = ()
    """Further accounts whose balances count; the owner's always do."""
    signer: Addr | None = None
    """The account that signs; it must be the owner."""
    base: str = Field(description="the token whose share is kept at a target")
    quote: str = Field(description="the token in which value is counted")
    tokens: Annotated[tuple[TokenSection, ...], at_least(2)] = Field(
        description="symbol, address and decimals of base, quote and all other tokens of the pools"
    )
    quote_equivalents: tuple[str, ...] = ()
    """Tokens that are valued at par with the quote."""
    assets: tuple[AssetSection, ...] = ()
    """Further tokens that count in the book's value."""
    pools: Annotated[tuple[Pool, ...], at_least(1)] = Field(
        description="the pools in which the book has its positions"
    )
    pools_at: tuple[PoolsAtSection, ...] = ()
    """The pools that belong to a further venue."""
    reference_pool: Pool = Field(description="the pool of base and quote whose price values the inventory")
    references: tuple[ReferenceSection, ...] = ()
    """Further prices of the base, which spot must be near before the book acts."""
    price_history: PriceHistorySection | None = None
    """The past prices to keep; by default none."""
    strategy: TargetBandSection = Field(description="the strategy's name and parameters")
    limits: LimitsSection = LimitsSection()
    """The limits on each action."""
    rerange: RerangeSection = RerangeSection()
    """How liquidity is moved to a new range."""
    hedge: HedgeSection | None = None
    """A short of the base at a venue where a book can be hedged."""
    mode: Mode = "dry-run"
    """`watch`: follow and show; `dry-run`: decide, and try each decision on a fork; `live`: act."""

    def token(self, name: str) -> TokenSection | None:
        """Find a token by the symbol or the address under which `tokens` names it."""
        wanted = name.lower() if name.startswith(("0x", "0X")) else name
        return next((token for token in self.tokens if wanted in {token.symbol, token.address}), None)


class Portfolio(Section):
    """A whole file."""

    chain: ChainSection = Field(description="the chain of the books")
    books: Annotated[tuple[BookSection, ...], at_least(1)] = Field(description="the policies of the books")
