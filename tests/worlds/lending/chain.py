"""The toy chain with an Aave market of base, quote and a third token: an owner's supplies and borrowings, and their logs."""

from collections.abc import Callable
from typing import Any, NamedTuple

from builders import BASE, OWNER, QUOTE, STRANGER, ToyChain, ToyWatcher, topic, versioned
from desk import Desk, live
from msgspec.structs import replace
from toy_signer import ToySigner

from pipeline.messages.base import BlockRef, Receipt
from pipeline.messages.chain_profile import VenueContract, VenueSpec
from pipeline.messages.events import AnyEvent
from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy, Rerange, TargetBand, TokenSpec
from pipeline.messages.prices import Asset, Par
from pipeline.messages.read_values import CallRead
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.shard import Shard
from pipeline.units import Address, Bps, Hash, LogBps, RawAmount, Seconds, ShardId, Wei
from pipeline.venues.aave_v3 import configuration as bits
from pipeline.venues.aave_v3 import logs, v3_6
from pipeline.venues.aave_v3.act.calldata import EVERYTHING, read_call
from pipeline.venues.aave_v3.forms import (
    AaveAccount,
    AaveAccountObserved,
    AaveMarket,
    AaveMarketObserved,
    AavePosition,
    AaveReserve,
    AaveReserveObserved,
    BorrowRates,
    DisplayedBalance,
    ReserveTokens,
)
from pipeline.venues.aave_v3.rules import CollateralTerms, ReserveHolding

LENDING, CONFIGURATOR, ORACLE = (Address(f"0x{n:040x}") for n in (0xAA01, 0xAA02, 0xAA03))
A_BASE, D_BASE, A_QUOTE, D_QUOTE = (Address(f"0x{n:040x}") for n in range(0xAB01, 0xAB05))
TREASURY = Address(f"0x{0xAD01:040x}")
RAY, LTV_BPS, THRESHOLD_BPS = 10**27, 7_700, 8_000
OTHER = Address(f"0x{0xD0:040x}")
IDS = {BASE: 0, QUOTE: 1}
DECIMALS = {BASE: 18, QUOTE: 6}
DOLLAR = 10**8
USABLE = 1 << 56 | 1 << 58
"""A reserve is active and lends."""


def hedged(hedge: dict[str, Any] | None = None, **changes: Any) -> Policy:
    """A live book on a chain with the market."""
    contracts = tuple(
        VenueContract(role=role, address=at)
        for role, at in (("pool", LENDING), ("configurator", CONFIGURATOR), ("oracle", ORACLE))
    )
    spec = VenueSpec(name="lending", kind="aave_v3", contracts=contracts)
    usual: dict[str, Any] = {
        "venue": "lending",
        "ratio_bps": Bps(6_500),
        "cooldown_s": Seconds(60),
        "pace_s": Seconds(12),
        "oracle_within_bps": Bps(2_000),
    }
    made = live(**{"hedge": Hedge(**{**usual, **(hedge or {})}), **changes})
    return versioned(replace(made, chain=replace(made.chain, venues=(spec,))))


class Third(NamedTuple):
    """A token that secures a book's hedge in place of the quote."""

    decimals: int
    at_par_with: Address
    percent: int = 100
    """How much the owner begins with, of what 20 whole base are worth at first."""

    @property
    def begins_with(self) -> int:
        return 20 * 10**18 * 10**self.decimals * self.percent // (10 ** DECIMALS[self.at_par_with] * 100)

    def book(self, hedge: dict[str, Any] | None = None, **changes: Any) -> Policy:
        """A live book that it secures, whose range stays."""
        tokens = live().tokens + (TokenSpec(address=OTHER, symbol="OTHER", decimals=self.decimals),)
        if self.at_par_with == QUOTE:
            prices: dict[str, Any] = {"quote_equivalents": (OTHER,)}
        else:
            prices = {"assets": (Asset(token=OTHER, price_path=(), valued_by=Par(unit=self.at_par_with)),)}
        return hedge_only({"collateral": OTHER, **(hedge or {})}, tokens=tokens, **{**prices, **changes})

    def worth(self, amount: int) -> int:
        """Of an amount, raw, of the token that it is at par with."""
        return amount * 10 ** DECIMALS[self.at_par_with] // 10**self.decimals


STABLE, STAKED = Third(18, QUOTE), Third(8, BASE)
"""A second stable coin, of more decimals than the quote; base that is staked, of fewer."""

FAR = TargetBand(
    target_share_bps=Bps(3_000),
    band_bps=Bps(2_900),
    hysteresis_bps=Bps(100),
    hold_out_of_range_s=Seconds(10**6),
    cooldown_s=Seconds(48),
)
"""No re-range comes in between."""
KEEPS = Rerange(
    half_width_log_bps=LogBps(100),
    stall_after_s=Seconds(60),
    reserve_base=RawAmount(3 * 10**18),
    reserve_quote=RawAmount(17 * 10**18),
)


def hedge_only(hedge: dict[str, Any] | None = None, **changes: Any) -> Policy:
    """A live book on a chain with the market, whose range stays: only its hedge acts."""
    return hedged(hedge, **{"strategy": FAR, "action": KEEPS, **changes})


class LendingChain(ToyChain):
    """Base, quote and a third token may be supplied and borrowed; no interest comes to anything."""

    def __init__(self, seed: int, depth: int = 10**21, third: Third | None = None) -> None:
        self.third = third
        self.ids = IDS if third is None else {**IDS, OTHER: 2}
        self.decimals = DECIMALS if third is None else {**DECIMALS, OTHER: third.decimals}
        self.collateral = dict.fromkeys(self.ids, 0)
        self.debt = dict.fromkeys(self.ids, 0)
        self.third_age_s = 60
        self.third_percent = 100
        """The price that the oracle reports of the third token, as of what it is at par with."""
        self.flags = 0
        self.reconfigured: list[str] = []
        self.in_next_block: Callable[[], None] | None = None
        self.frozen: set[str] = set()
        self.price_percent = 100
        """The price that the oracle reports, as of the pool."""
        self.paused: set[str] = set()
        self.borrow_cap: dict[str, int] = {}
        self.supply_cap: dict[str, int] = {}
        self.debt_ceiling: dict[str, int] = {}
        """By asset, in whole tokens."""
        self.others_supply, self.others_debt = (dict.fromkeys(self.ids, each) for each in (1_000 * 10**18, 0))
        self.price_age_s = 60
        super().__init__(seed, depth)

    # -------------------------------------------------------------- what it tells
    def price(self, asset: str) -> int:
        """Tell what the oracle answers for a whole token."""
        if asset == QUOTE:
            return DOLLAR
        if asset == OTHER:
            assert self.third is not None
            return self.price(self.third.at_par_with) * self.third_percent // 100
        sqrt = self.pool.sqrt_price_x96
        return DOLLAR * 10**12 * sqrt * sqrt * self.price_percent // ((1 << 192) * 100)

    def answers(self) -> tuple[CallRead, ...]:
        """Tell what the oracle answers after each block."""
        prices = tuple(
            CallRead(to=ORACLE, data="0xb3596f07" + topic(asset).removeprefix("0x"), value=self.price(asset))
            for asset in self.ids
        )
        return (*prices, *(each for asset in self.ids for each in self._totals(asset)))

    def _totals(self, asset: Address) -> tuple[CallRead, ...]:
        """Return the totals of a reserve over all accounts, and the time of its price."""
        supply, debt = (
            self.others_supply[asset] + self.collateral[asset],
            self.others_debt[asset] + self.debt[asset],
        )
        age_s = self.third_age_s if asset == OTHER else self.price_age_s
        free = LENDING, "0x6fb07f96" + topic(asset).removeprefix("0x"), supply - debt
        totals = [
            (A_TOKENS[asset], "0xb1bf962d", supply),
            (D_TOKENS[asset], "0xb1bf962d", debt),
            free,
            (SOURCES[asset], "0x8205bf6a", self.head.timestamp_s - age_s),
        ]
        return tuple(CallRead(to=Address(to), data=data, value=value) for to, data, value in totals)

    def configuration(self, asset: str) -> int:
        word = LTV_BPS | THRESHOLD_BPS << 16 | self.decimals[Address(asset)] << 48 | USABLE
        caps = self.borrow_cap.get(asset, 0) << 80 | self.supply_cap.get(asset, 0) << 116
        flags = ((asset in self.frozen) << 57) | ((asset in self.paused) << 60)
        return word | caps | flags | (self.debt_ceiling.get(asset, 0) << 212)

    def configure(self, asset: str) -> None:
        """Let the configurator say in the next block that something of a reserve has changed."""
        self.reconfigured.append(asset)

    def mine(self, operations: int) -> BlockRef:
        head = super().mine(operations)
        for asset in self.reconfigured:
            self.log(CONFIGURATOR, ["0x" + "c0" * 32, topic(asset)])
        self.reconfigured = []
        act, self.in_next_block = self.in_next_block, None
        if act is not None:
            act()
        return head

    def read(self, item: str, why: str, term: int) -> AnyEvent:
        at: dict[str, Any] = {"term": term, "block": self.head, "why": why, "pool": LENDING}
        match item.split("/"):
            case ["aave-market", _]:
                return AaveMarketObserved(
                    **at, market=AaveMarket(revision=10, reserves=RESERVES[: len(self.ids)])
                )
            case ["aave-reserve", _, asset]:
                state = AaveReserve(
                    configuration=self.configuration(asset),
                    liquidity_index_ray=RAY,
                    liquidity_rate_ray=0,
                    borrow_index_ray=RAY,
                    borrow_rate_ray=0,
                    updated_at_s=Seconds(self.head.timestamp_s),
                    rates=RATES,
                )
                return AaveReserveObserved(**at, asset=Address(asset), state=state)
            case ["aave-account", _, owner]:
                return self._account_read(at, owner)
        return super().read(item, why, term)

    def _account_read(self, at: dict[str, Any], owner: str) -> AaveAccountObserved:
        used = tuple(sorted(a for a in self.ids if self.collateral[a] or self.debt[a]))
        positions = tuple(
            AavePosition(asset=a, scaled_collateral=self.collateral[a], scaled_debt=self.debt[a])
            for a in used
        )
        balances = tuple(
            DisplayedBalance(asset=a, collateral=RawAmount(self.collateral[a]), debt=RawAmount(self.debt[a]))
            for a in used
        )
        return AaveAccountObserved(
            **at,
            owner=Address(owner),
            account=AaveAccount(flags=self.flags, positions=positions),
            data=self.data(),
            balances=balances,
            used=used,
        )

    def data(self) -> Any:
        """Add the account up."""
        terms = CollateralTerms(Bps(LTV_BPS), Bps(THRESHOLD_BPS))
        return v3_6.account_data(
            ReserveHolding(
                price=self.price(a),
                unit=10 ** self.decimals[a],
                collateral=RawAmount(self.collateral[a]),
                terms=terms if bits.is_collateral(self.flags, self.ids[a]) else None,
                debt=RawAmount(self.debt[a]),
            )
            for a in self.ids
        )

    @property
    def health(self) -> float:
        """Its health factor."""
        return self.data().health_wad / 10**18

    # -------------------------------------------------------------- what an owner does
    def supply(self, asset: str, amount: int) -> None:
        if not self.collateral[Address(asset)]:
            self.flags = bits.with_collateral(self.flags, self.ids[Address(asset)], on=True)
            self.log(LENDING, [logs.COLLATERAL_ENABLED, topic(asset), topic(OWNER)])
        self.collateral[Address(asset)] += amount
        self.move(asset, OWNER, A_TOKENS[asset], amount)
        self._minted(A_TOKENS[asset], amount)

    def borrow(self, asset: str, amount: int) -> None:
        self.debt[Address(asset)] += amount
        self.flags = bits.with_borrowing(self.flags, self.ids[Address(asset)], on=True)
        self._minted(D_TOKENS[asset], amount)
        self.move(asset, A_TOKENS[asset], OWNER, amount)
        data = self.data()
        assert data.debt_base <= data.collateral_base * data.ltv_bps // 10_000, "more than it lends"

    def repay(self, asset: str, amount: int) -> int:
        amount = min(amount, self.debt[Address(asset)])
        self.debt[Address(asset)] -= amount
        if not self.debt[Address(asset)]:
            self.flags = bits.with_borrowing(self.flags, self.ids[Address(asset)], on=False)
        self._burned(D_TOKENS[asset], amount)
        self.move(asset, OWNER, A_TOKENS[asset], amount)
        return amount

    def withdraw(self, asset: str, amount: int) -> int:
        amount = min(amount, self.collateral[Address(asset)]) if amount == EVERYTHING else amount
        self.collateral[Address(asset)] -= amount
        assert self.collateral[Address(asset)] >= 0
        if not self.collateral[Address(asset)]:
            self.flags = bits.with_collateral(self.flags, self.ids[Address(asset)], on=False)
            self.log(LENDING, [logs.COLLATERAL_DISABLED, topic(asset), topic(OWNER)])
        self._burned(A_TOKENS[asset], amount)
        self.move(asset, A_TOKENS[asset], OWNER, amount)
        assert self.health >= 1
        return amount

    def liquidate(self, repaid: int, seized: int, fee: int) -> None:
        """A stranger repays base, and takes quote of which the market keeps a fee."""
        self.transaction = "0x" + "1d" * 32
        self.debt[BASE] -= repaid
        self._burned(D_TOKENS[BASE], repaid)
        self.collateral[QUOTE] -= seized
        self._burned(A_QUOTE, seized - fee)
        self.log(A_QUOTE, [logs.BALANCE_TRANSFER, topic(OWNER), topic(TREASURY)], fee, RAY)
        topics = [logs.LIQUIDATION_CALL, topic(QUOTE), topic(BASE), topic(OWNER)]
        self.log(LENDING, topics, repaid, seized - fee, int(STRANGER, 16), 0)
        self.transaction = None

    def _minted(self, token: str, amount: int) -> None:
        self.log(token, [logs.MINT, topic(OWNER), topic(OWNER)], amount, 0, RAY)

    def _burned(self, token: str, amount: int) -> None:
        self.log(token, [logs.BURN, topic(OWNER), topic(OWNER)], amount, 0, RAY)


A_OTHER, D_OTHER = (Address(f"0x{n:040x}") for n in (0xAB05, 0xAB06))
SOURCES: dict[str, Address] = {
    token: Address(f"0x{n:040x}") for n, token in enumerate((BASE, QUOTE, OTHER), 0xAC01)
}
RATES = BorrowRates(
    kink_ray=RAY * 80 // 100, unused_ray=0, to_kink_ray=RAY * 4 // 100, behind_kink_ray=3 * RAY
)
A_TOKENS: dict[str, Address] = {BASE: A_BASE, QUOTE: A_QUOTE, OTHER: A_OTHER}
D_TOKENS: dict[str, Address] = {BASE: D_BASE, QUOTE: D_QUOTE, OTHER: D_OTHER}
RESERVES = tuple(
    ReserveTokens(
        asset=asset,
        reserve_id=i,
        a_token=A_TOKENS[asset],
        debt_token=D_TOKENS[asset],
        price_source=SOURCES[asset],
    )
    for i, asset in enumerate((BASE, QUOTE, OTHER))
)


class LendingSigner(ToySigner):
    """Acts at the market, too. What goes behind a transaction that fails reverts where the chain would let it."""

    def __init__(self) -> None:
        super().__init__()
        self.behind_failed: set[str] = set()
        """Digests of what failed in the block at hand, and of all that went behind it."""
        self._block = 0
        self.ends_behind: list[tuple[str, bool]] = []
        """Of what went behind a failure, each step, and whether it succeeded."""

    def execute(self, chain: ToyChain, intent: SubmitTransaction, *, succeeds: bool = True) -> Receipt:
        assert isinstance(chain, LendingChain)
        if self._block != chain.head.number:
            self._block, self.behind_failed = chain.head.number, set()
        is_behind = intent.after in self.behind_failed
        if not succeeds or is_behind:
            self.behind_failed.add(intent.digest)
            succeeds = succeeds and not self._reverts(chain, intent)
        if is_behind:
            self.ends_behind.append((intent.step, succeeds))
        if intent.call.to != LENDING:
            return super().execute(chain, intent, succeeds=succeeds)
        if succeeds:
            chain.transaction = "0x" + intent.digest.rjust(64, "0")
            self._call(chain, intent)
            chain.transaction = None
        self.done.append(intent)
        return Receipt(
            transaction_hash=Hash("0x" + intent.digest.rjust(64, "0")),
            transaction_index=0,
            sender=OWNER,
            to=LENDING,
            succeeded=succeeds,
            gas_used=200_000,
            effective_gas_price_wei=Wei(10**9),
        )

    def _reverts(self, chain: LendingChain, intent: SubmitTransaction) -> bool:
        """Tell whether a borrowing has too little behind it, or more is to be paid than the wallet has."""
        if intent.step == "borrow":
            _, asset, amount, _ = read_call(intent.call.data)
            chain.debt[asset] += amount
            data = chain.data()
            chain.debt[asset] -= amount
            return data.debt_base > data.collateral_base * data.ltv_bps // 10_000
        return any(chain.balances[OWNER, each.token] < -each.delta for each in intent.minimums)

    def _call(self, chain: LendingChain, intent: SubmitTransaction) -> None:
        name, asset, amount, account = read_call(intent.call.data)
        assert (account, name) == (OWNER, intent.step)
        before = chain.balances[OWNER, asset]
        if name in {"supply", "repay"}:
            taken = min(amount, chain.debt[asset]) if name == "repay" else amount
            assert before >= taken, "more than there is"
            assert chain.allowances.get((OWNER, asset, LENDING), 0) >= taken
            chain.allowances[OWNER, asset, LENDING] -= taken
        getattr(chain, name)(asset, amount)
        (minimum,) = intent.minimums
        assert chain.balances[OWNER, asset] - before >= minimum.delta


class LendingDesk(Desk):
    """Watcher, shard and signer of a hedged book. Its wallet has more quote than the toy chain gives."""

    def __init__(
        self,
        book: Policy,
        *,
        more_quote: int = 14 * 10**18,
        frozen: str = "",
        third: Third | None = None,
        **of_chain: Any,
    ) -> None:
        chain = LendingChain(5, 10**23, third)
        chain.balances[OWNER, QUOTE] += more_quote
        if third is not None:
            chain.balances |= {(each, OTHER): third.begins_with for each in (OWNER, STRANGER)}
        chain.frozen = {frozen}
        for name, value in of_chain.items():
            setattr(chain, name, value)
        self.watcher = ToyWatcher(chain)
        self.watcher.spenders = (*self.watcher.spenders, LENDING)
        self.watcher.granted = tuple(chain.ids)
        chain.mine(1)
        self.watcher.set_policy(book)
        self.shard = Shard(ShardId(0))
        self.signer = LendingSigner()
        self.pending, self.outputs, self.fails = [], [], set()
        self.take()
        for _ in range(6):
            self.block()

    @property
    def chain(self) -> LendingChain:
        assert isinstance(self.watcher.chain, LendingChain)
        return self.watcher.chain

    def keep(self, base: int = 100, quote: int = 100, ranges: int = 100, third: int = 100) -> None:
        """Mine a block in which the owner keeps so many percent of the wallet's tokens, and of its ranges' liquidity."""
        chain = self.chain
        chain.mine(0)
        kept = {
            token: each
            for token, each in {BASE: base, QUOTE: quote, OTHER: third}.items()
            if token in chain.ids
        }
        held = {token: chain.balances[OWNER, token] * kept[token] // 100 for token in kept}
        for token_id, nft in list(chain.nfts.items()):
            if nft.owner == OWNER and nft.liquidity and ranges < 100:
                chain.decrease(token_id, nft.liquidity - nft.liquidity * ranges // 100)
                chain.collect(token_id)
        for token, amount in held.items():
            chain.move(token, OWNER, STRANGER, chain.balances[OWNER, token] - amount)
        self.watcher.tell()
        self.take()
