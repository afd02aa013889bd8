"""A venue that only these tests know goes through watch, codec and fold without a line of code elsewhere."""

import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from fake_world import DOLLAR, FACTORY, MANAGER, WRAPPED
from msgspec.structs import replace
from rigs import Rig
from worlds.toy_venue import half
from worlds.toy_venue.contract import (
    CONTRACT,
    ETHER,
    ID,
    NAME,
    OTHER_ID,
    OWNER,
    STRANGER,
    USD,
    ToyContract,
    toy_policy,
)
from worlds.toy_venue.forms import ToyPoolView, ToyShareView, ToyTradeSeen, toy_pool, toy_share
from worlds.toy_venue.venue import KIND

from pipeline.drive import drive
from pipeline.errors import SettingsError
from pipeline.follow.quarantine import quarantined
from pipeline.messages.arrivals import Departure
from pipeline.messages.base import Output
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.decisions import (
    Declined,
    PlanClosed,
    PlanOpened,
    PlanRevised,
    PoolDrifted,
    Quarantined,
    RebalanceProposed,
    Released,
    ShardHalted,
)
from pipeline.messages.entries import Halted
from pipeline.messages.events import PolicyRemoved, PolicySet, Resumed, Sent, Signed
from pipeline.messages.outcomes import Done
from pipeline.messages.policy import Limits
from pipeline.messages.transactions import SubmitTransaction
from pipeline.messages.views import BookView, Rewound
from pipeline.state.shard import Shard
from pipeline.units import Bps, Offset, ShardId
from pipeline.venues.registry import KINDS, pool_terms
from streams.cli.departure_words import left_text
from streams.cli.venues.registry import shown_as
from streams.kafka.codec import decode_entry, decode_output, encode, encode_entry
from streams.kafka.readers import Record
from streams.kafka.topics import DECISIONS, POOL_STATES, POSITIONS, SWAPS
from streams.node.contract_calls import Ask, ContractReader, Told, method
from streams.node.fake import FakeChain
from streams.node.file_facts import contradictions
from streams.node.multicall import MULTICALL3
from streams.node.venues.registry import HALVES
from streams.pool_prices import fold_swaps
from streams.portfolio import load_portfolio
from streams.present_books import ShardNow, books_at
from streams.verify import Verdict, against_the_chain
from streams.work.fold import fold_log

POOL, SHARE = toy_pool(ID), toy_share(ID, OWNER)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, half.KIND, KIND)
    monkeypatch.setitem(HALVES, half.KIND, half.HALF)


class ToyRig(Rig):
    """Watcher and worker of one shard: what the watcher appends is folded as a worker folds it, from bytes to bytes."""

    def __init__(self) -> None:
        super().__init__(1)
        self.toy, self.shard = ToyContract(self.chain), Shard(ShardId(0))
        self.said: list[tuple[str, str, Output | None]] = []
        """Topic, key, and what was said; None removes it."""

    async def begin(self, **changes) -> None:
        self.chain.mine(self.toy.provide(OWNER, 10 * ETHER, 30_000 * USD))
        await self.append(0, PolicySet(policy=toy_policy(**changes)))
        self.start()
        await self.fold_all()
        await self.mine()

    async def mine(self, *transactions) -> None:
        self.chain.mine(*transactions)
        await self.fold_all()

    async def fold_all(self) -> None:
        await self.settled()
        log = list(enumerate(self.broker.logs[0]))
        for record in fold_log(self.shard, log):  # what is known leads to nothing
            told = None if record.value is None else decode_output(record.value)
            self.said.append((record.topic, record.key.decode(), told))

    def of(self, kind: type[Output]) -> list[Output]:
        return [told for _, _, told in self.said if isinstance(told, kind)]

    def is_as_on_the_chain(self) -> None:
        entries, head = self.shard.tables.entries(), self.chain.head
        assert self.shard.tables.head == head.block
        assert entries[POOL] == self.toy.pool(ID, head)
        assert entries[SHARE].shares == self.toy.shares(ID, OWNER, head)
        pool, shares = self.toy.pool(ID, head), self.toy.shares(ID, OWNER, head)
        (*_, view) = self.of(BookView)
        told = {h.token: (h.wallet, h.principal) for h in view.holdings}
        mine = {
            WRAPPED: pool.reserve0 * shares // pool.shares,
            DOLLAR: pool.reserve1 * shares // pool.shares,
        }
        assert told == {token: (self.toy.balance(token, OWNER, head), mine[token]) for token in mine}


@pytest.fixture
async def rig() -> Iterator[ToyRig]:
    async with ToyRig() as made:
        yield made


async def test_pools_and_shares_are_read_followed_and_valued(rig) -> None:
    await rig.begin()
    rig.is_as_on_the_chain()
    for number in range(1, 4):
        await rig.mine(
            rig.toy.trade(number * ETHER, -2_990 * USD * number),
            rig.toy.provide(OWNER, ETHER, 3_000 * USD),
            rig.toy.provide(STRANGER, 5 * ETHER, 0),
        )
        rig.is_as_on_the_chain()
    (*_, view) = rig.of(BookView)
    pool = rig.toy.pool(ID, rig.chain.head)
    assert Fraction(*view.price.ratio) == Fraction(pool.weight0, pool.weight1)
    spot = 3_000 * USD
    assert view.value_quote == sum(
        h.wallet + h.principal if h.token == DOLLAR else (h.wallet + h.principal) * spot // ETHER
        for h in view.holdings
    )
    assert not rig.of(Quarantined)


async def test_what_is_published_of_it_crosses_the_topics(rig) -> None:
    await rig.begin()
    await rig.mine(rig.toy.trade(ETHER, -2_990 * USD))
    last = {(topic, key): told for topic, key, told in rig.said}
    assert last[POOL_STATES.name, POOL].state == rig.toy.pool(ID, rig.chain.head)
    assert isinstance(last[POSITIONS.name, SHARE], ToyShareView)
    assert last[SWAPS.name, f"pool/{ID}"].delta1 == -2_990 * USD
    terms = pool_terms(rig.shard.tables, toy_policy(), ID)
    assert last[POOL_STATES.name, POOL].terms == terms
    assert (terms.tokens, terms.decimals) == ((WRAPPED, DOLLAR), (18, 6))
    record = Record(SWAPS.name, 0, 0, b"", encode(last[SWAPS.name, f"pool/{ID}"]), 0)

    async def records() -> AsyncIterator[Record]:
        yield record

    ((pool, prices),) = (await fold_swaps(records())).items()
    assert (pool, round(math.exp(prices.logs[0]) * ETHER / USD)) == (ID, 2_990)
    assert {ToyPoolView, ToyShareView, ToyTradeSeen} <= {type(told) for _, _, told in rig.said}
    await rig.append(0, PolicyRemoved(book="toy"))
    await rig.until(lambda: len(rig.broker.logs[0]) and not rig.fold().tables.entries().get("policy/toy"))
    await rig.fold_all()
    last = {(topic, key): told for topic, key, told in rig.said}
    assert last[POSITIONS.name, SHARE] is None
    assert not [key for key in rig.shard.tables.entries() if key.startswith("toy-") or "toy" in key]


async def test_commands_show_its_positions_by_what_they_hold(rig) -> None:
    await rig.begin()
    at = ShardNow(
        shard=rig.shard,
        head=rig.chain.head.block,
        cursor=Offset(0),
        records_behind=0,
        waiting_since_ms=None,
        halted=None,
    )
    (book,) = books_at(at)
    ((kind, _, held),) = book.positions
    shown = shown_as(kind)
    assert (kind, shown.columns) == (half.KIND, ("position", "liquidity", "~holds"))
    assert shown.cells(book, held) == (SHARE, "in range", "10.0000 WETH + 30,000.00 USDC")
    assert [type(view) for view in book.position_views()] == [ToyShareView]
    left = Departure(book="toy", to=None, transaction_hash=None, value_quote=None, block=at.head)
    assert left_text(SHARE, left, book.policy).startswith(
        f"position {SHARE}, of unknown worth, was burned at block "
    )


async def test_a_book_that_leaves_its_band_by_a_trade_there_gets_a_proposal(rig) -> None:
    await rig.begin(mode="dry-run")
    await rig.mine(rig.toy.provide(OWNER, 900 * ETHER, 2_700_000 * USD))
    (*_, declined) = rig.of(Declined)
    assert (declined.gate, declined.base_share_bps) == ("band", 5_000)
    assert not rig.of(RebalanceProposed)
    await rig.mine(rig.toy.trade(-890 * ETHER, 2_670_001 * USD))
    (proposal,) = rig.of(RebalanceProposed)
    ether, (*_, view) = 110 * ETHER, rig.of(BookView)
    assert (proposal.base_amount, proposal.base_share_bps) == (
        ether,
        ether * 3_000 * USD // ETHER * 10_000 // view.value_quote,
    )
    assert {topic for topic, _, told in rig.said if told is proposal} == {DECISIONS.name}


@pytest.mark.parametrize("wrong", ["a trade that takes too much", "a log that is not a log"])
async def test_what_cannot_be_is_in_quarantine_until_it_is_read_again(rig, wrong) -> None:
    await rig.begin()
    held = rig.shard.tables.entries()[POOL]
    bad = rig.toy.trade(ETHER, -3_001 * USD) if "trade" in wrong else rig.toy.garbled()
    await rig.mine(bad, rig.toy.trade(ETHER, -2_000 * USD))
    assert quarantined(rig.shard.tables).keys() == {POOL}
    assert rig.shard.tables.entries()[POOL] == held
    (*_, declined) = rig.of(Declined)
    assert (declined.gate, declined.item) == ("quarantine", POOL)
    await rig.append(0, Resumed(scope=POOL, reason="looked at", by="me"))
    await rig.mine()
    assert [told.item for told in rig.of(Released)] == [POOL]
    await rig.mine(rig.toy.trade(ETHER, -2_000 * USD))
    rig.is_as_on_the_chain()


async def test_a_branch_that_goes_away_takes_it_along(rig) -> None:
    await rig.begin()
    for _ in range(3):
        await rig.mine(rig.toy.trade(ETHER, -2_000 * USD), rig.toy.provide(OWNER, ETHER, 0))
    rig.chain.rollback(3)
    for _ in range(4):
        rig.chain.mine(rig.toy.trade(-ETHER, 3_100 * USD))
    await rig.fold_all()
    assert rig.of(Rewound)
    await rig.mine(rig.toy.trade(-ETHER, 3_100 * USD))
    rig.is_as_on_the_chain()
    entries = {
        key: decode_entry(key, encode_entry(value))
        for key, value in rig.shard.tables.changes().items()
        if value
    }
    assert Shard(ShardId(0), entries).tables.entries() == rig.shard.tables.entries()


async def test_a_check_finds_what_no_log_told(rig) -> None:
    await rig.begin()
    while rig.chain.head.block.number < 9:
        await rig.mine(rig.toy.trade(ETHER, -2_000 * USD))
    rig.toy.donated = 5
    await rig.mine()
    await rig.mine()
    (drifted,) = rig.of(PoolDrifted)
    assert (drifted.pool, drifted.differences) == (
        ID,
        (
            f"reserve0: {rig.shard.tables.entries()[POOL].reserve0}, {rig.toy.pool(ID, rig.chain.head).reserve0}",
        ),
    )
    assert quarantined(rig.shard.tables).keys() == {POOL}
    await rig.append(0, Resumed(scope=POOL, reason="a gift", by="me"))
    await rig.mine()
    rig.is_as_on_the_chain()
    verdict = Verdict()
    await against_the_chain(rig.chain, rig.shard, verdict)
    assert (verdict.wrong, verdict.compared) == ([], Counter(toypools=1, toyshares=1, balances=2))


# ------------------------------------------------------------------ a live book
ROOMY = Limits(
    max_cost_bps=Bps(500),
    max_daily_cost_bps=Bps(1_000),
    max_daily_gas_bps=Bps(1_000),
    max_notional_quote=10**13,
    max_daily_notional_quote=10**14,
)


async def proposed(rig: ToyRig) -> list[SubmitTransaction]:
    """A live book that has come out of its band, with what it commands for that."""
    await rig.begin(mode="live", signer=OWNER, limits=ROOMY)
    await rig.mine(rig.toy.provide(STRANGER, 10_000 * ETHER, 30_000_000 * USD))
    await rig.mine(rig.toy.give(DOLLAR, 3_000_000 * USD))
    (opened,) = rig.of(PlanOpened)
    assert opened.goal.venue == half.KIND
    return rig.of(SubmitTransaction)


async def sign(rig: ToyRig, *intents: SubmitTransaction, beside: tuple = (), succeeds: bool = True) -> None:
    """Do what is commanded, a block each, and report it as a signer does."""
    for nonce, intent in enumerate(intents):
        header = rig.chain.mine(rig.toy.sent(intent, succeeds=succeeds), *beside)
        sent = {"intent": intent.digest, "transaction_hash": header.transactions[0]}
        await rig.append(0, Signed(**sent, nonce=nonce), Sent(**sent))
        await rig.fold_all()


async def test_a_proposal_becomes_a_plan_that_is_carried_out(rig) -> None:
    intents = await proposed(rig)
    assert [each.step for each in intents] == ["approve", "trade"]
    await sign(rig, *intents)
    await rig.mine()
    (closed,) = rig.of(PlanClosed)
    assert closed.outcome == Done()
    assert closed.cost.transactions == 2
    assert (
        closed.deviation_after_bps == -2
    )  # of what was bought a thousandth came out of the owner's own share
    (*_, view) = rig.of(BookView)
    assert view.base_share_bps == 4_998
    assert rig.toy.allowed(DOLLAR, OWNER, CONTRACT, rig.chain.head) == 0
    assert len(rig.of(SubmitTransaction)) == 2


async def test_a_trade_that_reverts_is_judged_again_and_what_is_left_allowed_is_taken_back(rig) -> None:
    approve, swap = await proposed(rig)
    await sign(rig, approve)
    await sign(rig, swap, beside=(rig.toy.give(WRAPPED, 3_000 * ETHER),), succeeds=False)
    await rig.mine()
    again = rig.of(SubmitTransaction)[2:]
    assert [(each.step, each.attempt) for each in again] == [("approve", 2), ("trade", 2)]
    assert again[0].call.to == WRAPPED, "base is sold now, where it was to be bought"
    assert [each.reason for each in rig.of(PlanRevised)] == ["the book has gone on since the plan was opened"]
    await sign(rig, *again)
    await rig.mine()
    assert rig.toy.allowed(DOLLAR, OWNER, CONTRACT, rig.chain.head)
    (reset,) = rig.of(SubmitTransaction)[4:]
    assert (reset.step, reset.call.to) == ("reset", DOLLAR)
    assert not rig.of(PlanClosed)
    await sign(rig, reset)
    await rig.mine()
    assert [each.outcome for each in rig.of(PlanClosed)] == [Done()]
    assert not rig.toy.allowed(DOLLAR, OWNER, CONTRACT, rig.chain.head)


# ------------------------------------------------------------------ the portfolio file
FILE = f"""\
chain:
  id: 31337
  wrapped_native: "{WRAPPED}"
  position_manager: "{MANAGER}"
  factory: "{FACTORY}"
  final_depth_blocks: 12
  check_every_blocks: 10
  venues:
    - {{name: {NAME}, kind: toy, pools: "{CONTRACT}"}}
books:
  - book: toy
    owner: "{OWNER}"
    base: WETH
    quote: USDC
    tokens:
      - {{symbol: WETH, address: "{WRAPPED}", decimals: 18}}
      - {{symbol: USDC, address: "{DOLLAR}", decimals: 6}}
    pools: ["{ID}"]
    pools_at:
      - {{venue: {NAME}, pools: ["{ID}"]}}
    reference_pool: "{ID}"
    strategy: {{name: target_band}}
    mode: watch
"""


class ToyClient:
    """Answers what `check` asks the node, of the chain in memory."""

    def __init__(self, chain: FakeChain) -> None:
        self._reader = ContractReader(chain, multicall=MULTICALL3, at=chain.head.block.hash)

    def contract(self, address: str, interface: str) -> Any:
        functions = SimpleNamespace(decimals=lambda: Ask(address, method(interface, "decimals")))
        return SimpleNamespace(functions=functions)

    async def ask(self, asks: list[Ask]) -> list[Told]:
        return await self._reader.ask(asks)


async def test_a_file_names_it_and_is_checked(rig) -> None:
    (book,) = load_portfolio(FILE, "p.yaml")
    usual = {"limits": book.limits, "names": msgspec.UNSET, "mode": "watch"}
    assert book.chain.venues == toy_policy().chain.venues
    assert book == toy_policy(**usual, chain=book.chain)
    rig.chain.mine(rig.toy.provide(OWNER, 10 * ETHER, 30_000 * USD))
    client: Any = ToyClient(rig.chain)
    assert [each async for each in contradictions(client, book, ("books", 0))] == []
    (wrong,) = load_portfolio(FILE.replace(ID, OTHER_ID).replace("decimals: 6", "decimals: 8"), "p.yaml")
    rig.toy.unknown.add(OTHER_ID)
    told = [(each.path[2:], each.says) async for each in contradictions(client, wrong, ("books", 0))]
    assert [path for path, _ in told] == [("tokens", 1, "decimals"), ("pools", 0), ("reference_pool",)]
    assert told[1][1] == f"{OTHER_ID} is not a pool of {NAME}"


def test_a_book_with_pools_at_two_venues_cannot_act() -> None:
    two = FILE.replace(f'pools: ["{ID}"]\n    pools_at', f'pools: ["{ID}", "{STRANGER}"]\n    pools_at')
    assert load_portfolio(FILE.replace("mode: watch", "mode: dry-run"), "p.yaml")
    with pytest.raises(
        SettingsError, match="acts at the venue of its reference pool, toys, and has pools at uniswap_v3"
    ):
        load_portfolio(two.replace("mode: watch", "mode: dry-run"), "p.yaml")
    assert load_portfolio(two, "p.yaml")


def test_a_toy_without_its_contract_is_refused() -> None:
    with pytest.raises(SettingsError, match="missing: where the pools of venue toys stands"):
        load_portfolio(FILE.replace('pools: "' + CONTRACT, 'pool: "' + CONTRACT), "p.yaml")


# ------------------------------------------------------------------ a policy that this Evenkeel cannot follow
@pytest.mark.parametrize(
    ("venues", "at", "says"),
    [
        ((VenueSpec(name="a", kind="unheard", contracts=()),), (), "no kind 'unheard' is known here"),
        ((VenueSpec(name="a", kind="toy", contracts=()),), (), "venue a of kind toy has no pools"),
        ((toy_policy().chain.venues or ()) * 2, (), "['toys'] are venues twice"),
        (msgspec.UNSET, toy_policy().pools_at, "['toys'] are not venues of the chain"),
    ],
)
def test_a_policy_with_a_venue_that_is_not_known_halts_and_is_not_kept(venues, at, says) -> None:
    usual = toy_policy()
    shard, wrong = Shard(ShardId(0)), toy_policy(chain=replace(usual.chain, venues=venues), pools_at=at)
    (halted,) = drive(shard, [PolicySet(policy=wrong)])
    assert isinstance(halted, ShardHalted)
    assert says in halted.reason
    drive(shard, [Resumed(scope="shard", reason="taken back", by="me"), PolicySet(policy=usual)])
    assert shard.tables.find("halted", Halted) is None
    assert [key for key in shard.tables.entries() if key.startswith("policy/")] == ["policy/toy"]
