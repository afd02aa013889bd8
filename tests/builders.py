"""A toy chain and the watcher of one shard in memory: logs as a node returns them, and the shard's log.

The pool follows the real curve, so every fact is consistent; what the real contracts do is proven elsewhere.
"""

import copy
import random
from hashlib import sha256
from typing import Any

import msgspec

from pipeline.follow.due_reads import wanted
from pipeline.follow.log_filter import log_filter, select
from pipeline.follow.routes import follow
from pipeline.math.amounts import amounts_of_liquidity, range_amounts
from pipeline.math.ticks import sqrt_price_at_tick, tick_at_sqrt_price
from pipeline.messages.base import BlockRef, RawLog, Receipt
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.events import (
    AnyEvent,
    BlockSeen,
    BlocksReverted,
    PolicyRemoved,
    PolicySet,
    Resumed,
    WriterStarted,
)
from pipeline.messages.policy import Policy, TargetBand, TokenSpec, version_of
from pipeline.messages.read_values import AllowanceRead, CallRead, FeedRead, NativeBalance, UptimeRead
from pipeline.messages.signers_limits import SignersLimits
from pipeline.state.policies import book_accounts
from pipeline.state.tables import Tables
from pipeline.units import (
    Address,
    BlockNumber,
    Bps,
    ChainId,
    Hash,
    Liquidity,
    LogIndex,
    RawAmount,
    Seconds,
    Term,
    Tick,
    TokenId,
    Wei,
)
from pipeline.venues.uniswap_v3 import (
    BURN_TOPIC,
    COLLECT_TOPIC,
    DECREASE_LIQUIDITY_TOPIC,
    INCREASE_LIQUIDITY_TOPIC,
    MINT_TOPIC,
    NFT_COLLECT_TOPIC,
    SWAP_TOPIC,
    LivePool,
    apply_manager_fact,
    quote,
)
from pipeline.venues.uniswap_v3.forms.entries import NftPosition, Pool, PoolPosition
from pipeline.venues.uniswap_v3.forms.facts import (
    Burned,
    CardinalityGrown,
    Collected,
    Initialized,
    LiquidityDecreased,
    Minted,
    NftCollected,
    Swapped,
)
from pipeline.venues.uniswap_v3.forms.reads import OwnerObserved, PoolObserved, PositionObserved, TickObserved
from pipeline.venues.wallet.forms import BalanceObserved
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC, ZERO_ADDRESS
from streams.watch.logged_natives import LoggedNatives


def address(n: int) -> Address:
    return Address(f"0x{n:040x}")


ROUTER = address(0x20)
BASE, QUOTE, MANAGER, FACTORY = address(0xB0), address(0xC0), address(0x3A), address(0xFA)
POOL, OTHER_POOL = address(0x901), address(0x902)
OWNER, STRANGER = address(0x01), address(0x02)
FINAL_DEPTH = 12
START_S = Seconds(1_700_000_000)
UINT128 = 2**128 - 1


ROOMY_SIGNER = SignersLimits(
    max_loss_bps=Bps(9_000),
    max_share_of_depth_bps=Bps(10**7),
    twap_window_s=Seconds(24),
    swap_tolerance_bps=Bps(9_000),
)
"""A signer's file that stands in the way of no plan on a toy chain."""


def policy(**changes: Any) -> Policy:
    fields: dict[str, object] = {
        "book": "alpha",
        "chain": ChainProfile(
            chain_id=ChainId(31337),
            wrapped_native=BASE,
            position_manager=MANAGER,
            factory=FACTORY,
            router=ROUTER,
            final_depth_blocks=FINAL_DEPTH,
            report_every_blocks=7,
        ),
        "owner": OWNER,
        "accounts": (OWNER,),
        "base": BASE,
        "quote": QUOTE,
        "tokens": (
            TokenSpec(address=BASE, symbol="WETH", decimals=18),
            TokenSpec(address=QUOTE, symbol="USDC", decimals=6),
        ),
        "pools": (POOL,),
        "reference_pool": POOL,
        "publishes": (POOL,),
        "strategy": TargetBand(
            band_bps=Bps(300),
            hysteresis_bps=Bps(100),
            hold_out_of_range_s=Seconds(60),
            cooldown_s=Seconds(48),
        ),
    }
    made = Policy(**{**fields, **changes})
    return made if "policy_version" in changes else versioned(made)


def versioned(made: Policy) -> Policy:
    """Set a policy's version to its digest; shards refuse any other."""
    return msgspec.structs.replace(made, policy_version=version_of(made))


# ------------------------------------------------------------------ logs as a node gives them
def word(value: int) -> str:
    return f"{value % 2**256:064x}"


def topic(value: int | str) -> str:
    return "0x" + word(int(value, 16) if isinstance(value, str) else value)


def own_receipt(transaction_hash: str, succeeds: bool = True, to: str = MANAGER) -> Receipt:
    return Receipt(
        transaction_hash=Hash(transaction_hash),
        transaction_index=0,
        sender=OWNER,
        to=Address(to),
        succeeded=succeeds,
        gas_used=100_000,
        effective_gas_price_wei=Wei(10**9),
    )


class ToyChain:
    """A chain in memory with one pool, one position manager and two tokens, which is deep-copied for a fork."""

    def __init__(self, seed: int, depth: int = 10**21) -> None:
        """Create the pool, with a stranger's liquidity from tick -1000 to 1000."""
        self.random = random.Random(seed)
        self.salt, self.idle_s = "", 0
        self.head = BlockRef(
            number=BlockNumber(99), hash=Hash(topic(99)), parent_hash=Hash(topic(98)), timestamp_s=START_S
        )
        price = sqrt_price_at_tick(0)
        zeros: dict[str, Any] = dict.fromkeys(Pool.__struct_fields__, 0)
        empty = Pool(
            **{
                **zeros,
                "token0": BASE,
                "token1": QUOTE,
                "decimals0": 18,
                "decimals1": 6,
                "fee_pips": 500,
                "tick_spacing": 10,
            }
        )
        self.pool = LivePool.of(POOL, empty, {}, {}, {})
        self.logs: list[RawLog] = []
        self.transaction: str | None = None
        """Hash of that which the next logs belong to; None: each is one of its own."""
        self.receipts: list[Receipt] = []
        """Of the owner's own transactions in the block at hand."""
        self.nfts: dict[int, NftPosition] = {}
        self.balances = {
            (a, t): n for a, n in ((OWNER, 6 * 10**18), (STRANGER, 10**24)) for t in (BASE, QUOTE)
        }
        self.pool.apply(
            Initialized(
                address=POOL,
                log_index=LogIndex(0),
                sqrt_price_x96=price,
                tick=tick_at_sqrt_price(price),
            ),
            START_S,
        )
        self.pool.apply(
            CardinalityGrown(address=POOL, log_index=LogIndex(0), observation_cardinality_next=60),
            START_S,
        )
        self.allowances: dict[tuple[str, str, str], int] = {}
        self.mint(STRANGER, -1000, 1000, depth)
        self.mint(OWNER, -50, 60, 10**21)
        self.logs.clear()

    # -------------------------------------------------------------- one block
    def mine(self, operations: int) -> BlockRef:
        """Begin a block with a number of random operations; its logs are in `logs`."""
        self.logs, self.receipts = [], []
        number = self.head.number + 1
        unique = sha256(f"{self.head.hash}/{number}/{self.salt}".encode()).hexdigest()
        self.head = BlockRef(
            number=BlockNumber(number),
            hash=Hash("0x" + unique),
            parent_hash=self.head.hash,
            timestamp_s=Seconds(self.head.timestamp_s + 12 + self.idle_s),
        )
        self.idle_s = 0
        for _ in range(operations):
            self.random.choice(
                [
                    self.any_swap,
                    self.any_swap,
                    self.any_swap,
                    self.any_mint,
                    self.any_decrease,
                    self.any_collect,
                    self.any_transfer,
                ]
            )()
        return self.head

    def log(self, emitter: str, topics: list[str], *words: int) -> int:
        """Append a log, and return its index. Unless a transaction is named, each log has its own."""
        index = len(self.logs)
        self.logs.append(
            RawLog(
                address=Address(emitter),
                topics=tuple(topics),
                data="0x" + "".join(word(w) for w in words),
                log_index=LogIndex(index),
                transaction_hash=Hash(self.transaction or topic(index)),
                transaction_index=index,
            )
        )
        return index

    def move(self, token: str, sender: str, recipient: str, amount: int) -> None:
        for account, delta in ((sender, -amount), (recipient, amount)):
            held = Address(account), Address(token)
            if held in self.balances:
                self.balances[held] += delta
        self.log(token, [TRANSFER_TOPIC, topic(sender), topic(recipient)], amount)

    # -------------------------------------------------------------- operations
    def any_swap(self) -> None:
        down = self.random.random() < 0.5
        self.swap(self.random.choice([10**14, 10**16, 10**18, 4 * 10**18]), down=down)

    def swap(self, amount: int, *, down: bool, trader: str = STRANGER) -> None:
        limit = sqrt_price_at_tick(-900 if down else 900)
        if (down and self.pool.sqrt_price_x96 <= limit) or (not down and self.pool.sqrt_price_x96 >= limit):
            return
        q = quote(self.pool, RawAmount(amount), zero_for_one=down, limit_x96=limit)
        for token, delta in ((BASE, q.amount0_delta), (QUOTE, q.amount1_delta)):
            sender, recipient = (trader, POOL) if delta > 0 else (POOL, trader)
            self.move(token, sender, recipient, abs(delta))
        words = (q.amount0_delta, q.amount1_delta, q.sqrt_price_x96, q.liquidity, q.tick)
        index = self.log(POOL, [SWAP_TOPIC, topic(trader), topic(trader)], *words)
        fact = Swapped(
            address=POOL,
            log_index=LogIndex(index),
            sender=Address(trader),
            recipient=Address(trader),
            amount0_delta=q.amount0_delta,
            amount1_delta=q.amount1_delta,
            sqrt_price_x96=q.sqrt_price_x96,
            liquidity=q.liquidity,
            tick=q.tick,
        )
        self.pool.apply(fact, self.head.timestamp_s)

    def any_mint(self) -> None:
        lower = self.pool.tick // 10 * 10 + self.random.choice([-40, -20, 0, 20])
        owner = self.random.choice([OWNER, STRANGER])
        upper = lower + self.random.choice([10, 40, 80])
        liquidity = self.random.randrange(10**15, 10**19)
        amounts = range_amounts(
            self.pool.sqrt_price_x96, Tick(lower), Tick(upper), Liquidity(liquidity), round_up=True
        )
        if all(self.balances[owner, t] >= a for t, a in zip((BASE, QUOTE), amounts, strict=True)):
            self.mint(owner, lower, upper, liquidity)

    def mint(self, owner: str, lower: int, upper: int, liquidity: int, sender: str | None = None) -> int:
        """Mint an NFT to an owner, who sends the transaction unless another sender is named."""
        if (sender or owner) == OWNER and self.transaction is None:
            self.transaction = "0x" + sha256(f"{self.head.hash}/{len(self.logs)}".encode()).hexdigest()
            self.receipts.append(own_receipt(self.transaction))
            token_id = self.mint(owner, lower, upper, liquidity, sender)
            self.transaction = None
            return token_id
        a0, a1 = range_amounts(
            self.pool.sqrt_price_x96, Tick(lower), Tick(upper), Liquidity(liquidity), round_up=True
        )
        token_id = len(self.nfts) + 1
        self.pool.track(
            MANAGER,
            Tick(lower),
            Tick(upper),
            self.pool.positions.get((MANAGER, Tick(lower), Tick(upper)), PoolPosition()),
        )
        self.move(BASE, owner, POOL, a0)
        self.move(QUOTE, owner, POOL, a1)
        index = self.log(
            POOL,
            [MINT_TOPIC, topic(MANAGER), topic(lower), topic(upper)],
            int(MANAGER, 16),
            liquidity,
            a0,
            a1,
        )
        fields: dict[str, Any] = {
            "tick_lower": lower,
            "tick_upper": upper,
            "liquidity": liquidity,
            "amount0": a0,
            "amount1": a1,
        }
        self.pool.apply(
            Minted(address=POOL, log_index=LogIndex(index), owner=MANAGER, **fields),
            self.head.timestamp_s,
        )
        used = self.pool.positions[MANAGER, Tick(lower), Tick(upper)]
        self.nfts[token_id] = NftPosition(
            owner=Address(owner),
            pool=POOL,
            tick_lower=Tick(lower),
            tick_upper=Tick(upper),
            liquidity=Liquidity(liquidity),
            inside0_last_x128=used.inside0_last_x128,
            inside1_last_x128=used.inside1_last_x128,
        )
        self.log(MANAGER, [TRANSFER_TOPIC, topic(ZERO_ADDRESS), topic(owner), topic(token_id)])
        self.log(MANAGER, [INCREASE_LIQUIDITY_TOPIC, topic(token_id)], liquidity, a0, a1)
        return token_id

    def any_decrease(self) -> None:
        token_id = self.random.choice(sorted(self.nfts))
        nft = self.nfts[token_id]
        if nft.liquidity:
            self.decrease(token_id, self.random.choice([nft.liquidity, max(nft.liquidity // 3, 1)]))

    def decrease(self, token_id: int, liquidity: int) -> None:
        nft = self.nfts[token_id]
        lower, upper = nft.tick_lower, nft.tick_upper
        a0, a1 = amounts_of_liquidity(self.pool.sqrt_price_x96, lower, upper, Liquidity(liquidity))
        topics = [BURN_TOPIC, topic(MANAGER), topic(lower), topic(upper)]
        index = self.log(POOL, topics, liquidity, a0, a1)
        fields: dict[str, Any] = {"liquidity": liquidity, "amount0": a0, "amount1": a1}
        burned = Burned(
            address=POOL,
            log_index=LogIndex(index),
            owner=MANAGER,
            tick_lower=lower,
            tick_upper=upper,
            **fields,
        )
        self.pool.apply(burned, self.head.timestamp_s)
        index = self.log(MANAGER, [DECREASE_LIQUIDITY_TOPIC, topic(token_id)], liquidity, a0, a1)
        fact = LiquidityDecreased(
            address=MANAGER, log_index=LogIndex(index), token_id=TokenId(token_id), **fields
        )
        self.nfts[token_id] = apply_manager_fact(nft, self.pool.positions[MANAGER, lower, upper], fact)

    def any_collect(self) -> None:
        self.collect(self.random.choice(sorted(self.nfts)))

    def collect(self, token_id: int) -> None:
        nft = self.nfts[token_id]
        lower, upper = nft.tick_lower, nft.tick_upper
        poke: dict[str, Any] = {"owner": MANAGER, "tick_lower": lower, "tick_upper": upper}
        if nft.liquidity:
            index = self.log(POOL, [BURN_TOPIC, topic(MANAGER), topic(lower), topic(upper)], 0, 0, 0)
            zero: dict[str, Any] = {"liquidity": 0, "amount0": 0, "amount1": 0}
            self.pool.apply(
                Burned(address=POOL, log_index=LogIndex(index), **poke, **zero),
                self.head.timestamp_s,
            )
        used = self.pool.positions[MANAGER, lower, upper]
        asked = NftCollected(
            address=MANAGER,
            log_index=LogIndex(0),
            token_id=TokenId(token_id),
            recipient=nft.owner,
            amount0=RawAmount(0),
            amount1=RawAmount(0),
        )
        poked = apply_manager_fact(nft, used, asked)
        paid0, paid1 = min(poked.owed0, used.owed0), min(poked.owed1, used.owed1)
        for token, paid in ((BASE, paid0), (QUOTE, paid1)):
            self.move(token, POOL, nft.owner, paid)
        topics = [COLLECT_TOPIC, topic(MANAGER), topic(lower), topic(upper)]
        index = self.log(POOL, topics, int(nft.owner, 16), paid0, paid1)
        collected = Collected(
            address=POOL,
            log_index=LogIndex(index),
            recipient=nft.owner,
            amount0=paid0,
            amount1=paid1,
            **poke,
        )
        self.pool.apply(collected, self.head.timestamp_s)
        words = (int(nft.owner, 16), poked.owed0, poked.owed1)
        self.log(MANAGER, [NFT_COLLECT_TOPIC, topic(token_id)], *words)
        fact = NftCollected(
            address=MANAGER,
            log_index=LogIndex(0),
            token_id=TokenId(token_id),
            recipient=nft.owner,
            amount0=poked.owed0,
            amount1=poked.owed1,
        )
        self.nfts[token_id] = apply_manager_fact(nft, self.pool.positions[MANAGER, lower, upper], fact)

    def any_transfer(self) -> None:
        token_id = self.random.choice(sorted(self.nfts))
        self.transfer(token_id, STRANGER if self.nfts[token_id].owner == OWNER else OWNER)

    def transfer(self, token_id: int, recipient: str) -> None:
        nft = self.nfts[token_id]
        self.log(MANAGER, [TRANSFER_TOPIC, topic(nft.owner), topic(recipient), topic(token_id)])
        self.nfts[token_id] = NftPosition(
            **{f: getattr(nft, f) for f in nft.__struct_fields__} | {"owner": recipient}
        )

    # -------------------------------------------------------------- reads at the head
    def answers(self) -> tuple[CallRead, ...]:
        """Return the contracts' answers to the venues' calls after a block."""
        return ()

    def read(self, item: str, why: str, term: int) -> AnyEvent:
        at: dict[str, Any] = {"term": term, "block": self.head, "why": why}
        match item.split("/"):
            case ["pool", pool]:
                live = self.pool
                ticks = tuple(TickObserved(tick=t, info=live.ticks[t]) for t in sorted(live.ticks))
                slots = tuple(live.observations[i] for i in sorted(live.observations))
                return PoolObserved(
                    **at, pool=Address(pool), state=live.pool(), ticks=ticks, observations=slots
                )
            case ["owner", _, owner]:
                ids = tuple(TokenId(i) for i, nft in self.nfts.items() if nft.owner == owner)
                return OwnerObserved(**at, owner=Address(owner), manager=MANAGER, token_ids=ids)
            case ["position", manager, token_id]:
                nft = self.nfts[int(token_id)]
                plain = NftPosition(
                    **{f: getattr(nft, f) for f in nft.__struct_fields__}
                    | {"principal_owed0": 0, "principal_owed1": 0}
                )
                used = self.pool.positions[MANAGER, nft.tick_lower, nft.tick_upper]
                return PositionObserved(
                    **at,
                    manager=Address(manager),
                    token_id=TokenId(int(token_id)),
                    position=plain,
                    pool_position=used,
                )
            case ["balance", account, token]:
                return BalanceObserved(
                    **at,
                    account=Address(account),
                    token=Address(token),
                    amount=RawAmount(self.balances[Address(account), Address(token)]),
                )
        raise AssertionError(item)


class ToyWatcher:
    """The watcher of one shard: it reads wanted items, then appends the next block."""

    def __init__(self, chain: ToyChain, term: int = 1) -> None:
        self.chain = chain
        self.term = term
        self.base_fee_wei = 10**9
        self.feeds: dict[str, FeedRead | UptimeRead] = {}
        """What price feeds answer after each block."""
        self.coins_change = True
        """Whether the accounts' coin balances differ from block to block."""
        self.spenders: tuple[str, ...] = (ROUTER, MANAGER)
        self.granted: tuple[str, ...] = (BASE, QUOTE)
        """Tokens of which spenders may be allowed to take."""
        self.told = LoggedNatives()
        self.routes = Tables()
        self.log: list[AnyEvent] = []
        self.append(WriterStarted(term=Term(term), instance="w1"))

    def append(self, event: AnyEvent) -> None:
        self.log.append(event)
        follow(self.routes, event)
        if isinstance(event, BlockSeen):
            self.told = self.told.after(event)
        elif isinstance(event, PolicySet | PolicyRemoved | Resumed):
            self.told = LoggedNatives()

    def set_policy(self, book: Policy) -> None:
        self.append(PolicySet(policy=book))
        self.read_wanted()

    def read_wanted(self) -> None:
        for _ in range(4):
            for want in wanted(self.routes):
                self.append(self.chain.read(want.item, want.why, self.term))
        assert not wanted(self.routes)

    def block(self, operations: int = 2) -> None:
        self.chain.mine(operations)
        self.tell()

    def tell(self, receipts: tuple[Receipt, ...] = ()) -> None:
        """Append the chain's head, and read the items that it makes wanted."""
        mine = log_filter(self.routes)
        allowances = [
            AllowanceRead(
                owner=OWNER,
                token=Address(t),
                spender=Address(s),
                amount=RawAmount(self.chain.allowances.get((OWNER, t, s), 0)),
            )
            for t in self.granted
            for s in self.spenders
        ]
        assert mine is not None
        amount_wei = 10**15 + (self.chain.head.number if self.coins_change else 0)
        accounts = sorted(book_accounts(self.routes))
        native = [NativeBalance(account=each, amount_wei=Wei(amount_wei)) for each in accounts]
        changed, checksum = self.told.changes(self.chain.head, native, accounts)
        self.append(
            BlockSeen(
                term=Term(self.term),
                block=self.chain.head,
                base_fee_wei=Wei(self.base_fee_wei),
                logs=select(mine, self.chain.logs),
                reads=(*changed, *allowances, *self.feeds.values(), *self.chain.answers()),
                native_checksum=checksum,
                receipts=(*receipts, *self.chain.receipts),
            )
        )
        self.read_wanted()

    def check(self) -> None:
        self.append(self.chain.read(f"pool/{POOL}", "check", self.term))

    def fork(self, salt: str) -> ToyChain:
        """Copy the chain, for the branch that a reorg will remove or that will replace the present one."""
        other = copy.deepcopy(self.chain)
        other.salt = salt
        other.random.seed(f"{salt}/{self.chain.head.hash}")
        return other

    def revert_to(self, chain: ToyChain, reverted: tuple[Hash, ...] = ()) -> None:
        """Revert to the head of another chain, and continue on it."""
        self.append(BlocksReverted(term=Term(self.term), to=chain.head, reverted=reverted))
        self.chain = chain
        if self.routes.head is not None:
            self.read_wanted()


def started(seed: int, book: Policy | None = None, depth: int = 10**21) -> ToyWatcher:
    """Make a shard whose book was read at its first block."""
    watcher = ToyWatcher(ToyChain(seed, depth))
    watcher.chain.mine(1)
    watcher.set_policy(book or policy())
    return watcher
