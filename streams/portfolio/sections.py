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
    """A further venue: its contracts stand beside name and kind, each under its role."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, Addr]

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        description="what the file calls it, in lower case"
    )
    kind: str = Field(description="which kind of contracts: uniswap_v3 or aave_v3")

    @property
    def contracts(self) -> Mapping[str, Address]:
        """Where each of its contracts stands, by role."""
        return self.__pydantic_extra__


def _read(path: Path) -> Path:
    read_chain_file(path)
    return path


class ChainSection(Section):
    """Which chain, and where Uniswap V3 stands on it: by default where its publishers put it."""

    id: Annotated[ChainId, Field(gt=0)] = Field(description="the chain's number, 1 for Ethereum")
    profile: Annotated[Path, AfterValidator(_read)] | None = None
    """A file that describes the chain, of the form of those in `contracts_abi/chains`; well-known chains have theirs."""
    wrapped_native: Addr | None = None
    """The token that wraps the chain's coin; built in for well-known chains."""
    position_manager: Addr | None = None
    """Uniswap V3's NonfungiblePositionManager; built in for well-known chains."""
    factory: Addr | None = None
    """Uniswap V3's factory; built in for well-known chains."""
    router: Addr | None = None
    """Uniswap V3's SwapRouter02, for live books; built in for well-known chains."""
    live_on: ChainId | None = Field(
        default=None, description="the chain's number once more: only then may a book be live"
    )
    final_depth_blocks: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many blocks below the head nothing goes back any more; by default the chain's usual depth."""
    check_every_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """How often everything that is followed is read again and compared with the chain, in blocks."""
    report_every_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    """How often each view is published though nothing has changed, in blocks."""
    max_quarantined: Annotated[int, Field(ge=0, le=10_000)] = 10
    """How many pools, positions and balances of a shard may be in quarantine before the shard halts."""
    sequencer: SequencerSection = SequencerSection()
    """Who tells whether the sequencer is up, where one orders the chain's blocks."""
    venues: tuple[VenueSection, ...] = ()
    """Further deployments: other factories of Uniswap V3, venues of hedges such as lending markets."""

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
    """A token whose balances count."""

    symbol: Annotated[str, StringConstraints(pattern=r"^\S{1,32}$")]
    """What the file and all screens call it."""
    address: Addr
    """Its contract."""
    decimals: Annotated[int, Field(ge=0, le=36)]
    """A whole token is ten to this many raw units."""


class TargetBandSection(Section):
    """Bring the base share back once it has left its band."""

    name: Literal["target_band"]
    """The strategy."""
    target_share: Share = Bps(5_000)
    """Which share of the book's value is to be in base."""
    band: Share = Bps(1_000)
    """How far the share may be from its target to either side."""
    hysteresis: Share = Bps(200)
    """Once outside, the share counts as outside until it is this much inside the band again."""
    hold_out_of_range: Duration = Seconds(3_600)
    """How long all liquidity may be out of range before the book moves it."""
    cooldown: Duration = Seconds(3_600)
    """How long a book rests after it has proposed."""


class SignersLimitsSection(Section):
    """What the file of the book's signer allows, under the same names: nothing is planned that it would refuse."""

    max_loss: Share = Bps(100)
    """Of what a swap or a mint moves, by its minimums."""
    max_share_of_depth: Share = Bps(1_000)
    """Of what the pool holds within 1 % of its price, a swap or a mint may move."""
    twap_window: Duration = Seconds(300)
    """The window of the mean price by which the signer judges."""
    swap_tolerance: Share = Bps(15)
    """How far a swap's minimum may be below what the signer's simulation brings."""
    max_gas_limit: Annotated[int, Field(ge=1, le=30_000_000)] = 5_000_000
    """Of one transaction, in gas."""


class LimitsSection(Section):
    """What no action of a live book may exceed. Amounts are in the book's quote; what is None follows from pool or chain."""

    max_cost: Share = Bps(100)
    """Gas, swap fee and impact of one action, of what is moved."""
    max_daily_cost: Share = Bps(100)
    """The same, of all actions within 24 hours, of the book's value."""
    max_daily_gas: Share = Bps(50)
    """Gas alone within 24 hours, of the book's value."""
    max_slippage: Share | None = None
    """How far a swap's worst price may be from the reference; by default by the pool's fee."""
    swap_tolerance: Share = Bps(15)
    """How far a swap's minimum may be below what it would bring at its block."""
    twap_window: Duration = Seconds(300)
    """The window of the pool's own mean price, which is the reference."""
    max_spot_from_twap: Annotated[PriceMove, move_up_to(WIDEST_SPOT)] | None = None
    """How far spot may be from the mean; by default by the pool's fee."""
    max_notional: Annotated[Decimal, Field(gt=0)] | None = None
    """What one action may move, in whole quote; by default anything."""
    max_daily_notional: Annotated[Decimal, Field(gt=0)] | None = None
    """What actions may move within 24 hours, in whole quote; by default anything."""
    max_actions_per_day: Annotated[int, Field(ge=1, le=1_000)] = 6
    """How many actions within 24 hours."""
    max_fee_gwei: Annotated[int, Field(ge=1, le=10_000)] = 200
    """What a unit of gas may cost, in gwei."""
    max_age_blocks: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """How many blocks after its block an intent may still be signed; by default the chain's."""
    deadline: Duration = Seconds(300)
    """How long after its block a transaction may still be mined."""
    signer: SignersLimitsSection = SignersLimitsSection()
    """What the signer's own file allows."""


class RerangeSection(Section):
    """How a live book moves: its liquidity goes to a new range about the price."""

    half_width: Annotated[PriceMove, move_up_to(parse_price_move("1000000%"))] = parse_price_move("6%")
    """How far the ends of a new range are from its middle: 6% is from /1.06 to *1.06, rounded to what the pool allows."""
    reserve_base: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    """What stays in the wallet, in whole base."""
    reserve_quote: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    """What stays in the wallet, in whole quote."""
    standing_base: Annotated[Decimal, Field(ge=0, le=10**12)] = Decimal(0)
    """What router and position manager may each go on being allowed to take between plans, in whole base; 0: nothing."""
    standing_quote: Annotated[Decimal, Field(ge=0, le=10**12)] = Decimal(0)
    """The same in whole quote."""
    on_stall: StallPolicy = "hold_and_alert"
    """What to do when a step in the middle of a plan cannot go on: wait; give up the swap; leave the tokens and say so."""
    stall_after: Duration = Seconds(600)
    """How long a step may be refused before that happens; an outage of the chain's sequencer does not count."""
    large_swaps: LargeSwaps = "split"
    """What to do where a swap would move the price so far that a sandwich of it pays: one step after another; by a private relay alone; not at all."""


class PoolsAtSection(Section):
    """Pools of a book that lie at a further venue."""

    venue: str = Field(description="one of chain.venues")
    pools: Annotated[tuple[Pool, ...], at_least(1)] = Field(
        description="those of the book's pools that lie there"
    )


class BookSection(Section):
    """One book."""

    book: Annotated[BookId, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        description="its name, in lower case"
    )
    owner: Addr = Field(description="the account that holds the positions")
    accounts: tuple[Addr, ...] = ()
    """Further accounts whose balances count; the owner's always do."""
    signer: Addr | None = None
    """The account that signs; today the owner itself."""
    base: str = Field(description="the token whose share is kept")
    quote: str = Field(description="the token that value is counted in")
    tokens: Annotated[tuple[TokenSection, ...], at_least(2)] = Field(
        description="symbol, address and decimals of base, quote and whatever else the pools hold"
    )
    quote_equivalents: tuple[str, ...] = ()
    """Tokens that count as the quote at par."""
    assets: tuple[AssetSection, ...] = ()
    """Tokens beside base and quote that count in the book's value."""
    pools: Annotated[tuple[Pool, ...], at_least(1)] = Field(description="where the book has its positions")
    pools_at: tuple[PoolsAtSection, ...] = ()
    """Which of the pools lie at a further venue."""
    reference_pool: Pool = Field(description="the pool of base and quote whose price values the inventory")
    references: tuple[ReferenceSection, ...] = ()
    """Further prices of the base: a book acts only while spot is near them."""
    price_history: PriceHistorySection | None = None
    """Whether prices of the past are kept, and how many."""
    strategy: TargetBandSection = Field(description="its name and its parameters")
    limits: LimitsSection = LimitsSection()
    """What no action may exceed."""
    rerange: RerangeSection = RerangeSection()
    """How liquidity is moved."""
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

    chain: ChainSection = Field(description="which chain the books are on")
    books: Annotated[tuple[BookSection, ...], at_least(1)] = Field(description="the books to keep")
