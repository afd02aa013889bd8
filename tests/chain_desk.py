"""Watcher reads, shard, signer's judge and owner on a real chain, stepped by one test without processes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from intents import attempt
from sender_house import ROOMY, limits_of

from pipeline.drive import drive
from pipeline.follow.due_reads import wanted
from pipeline.follow.log_filter import log_filter
from pipeline.follow.routes import follow
from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.events import (
    AnyEvent,
    IntentRefused,
    PolicySet,
    Sent,
    Signed,
    Simulated,
    WriterStarted,
)
from pipeline.messages.journal import NO_CHARGE, IntentKnown
from pipeline.messages.policy import Limits, Policy, Rerange, TargetBand, TokenSpec, version_of
from pipeline.messages.signers_limits import SignersLimits
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import Fees
from pipeline.sign.nonces import ChainView, bind, new_account, reconcile
from pipeline.state.policies import policies
from pipeline.state.shard import Shard
from pipeline.state.tables import Tables
from pipeline.units import Address, BlockNumber, Bps, ChainId, Hash, LogBps, Seconds, ShardId, Term
from pipeline.venues.due_read import DueRead
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import DevnetPool, World
from streams.node.chain_reads import observe
from streams.node.venues.port import ReadContext
from streams.submit.judge import Judge
from streams.submit.node import HttpSenderNode
from streams.submit.signer_state import SignerState
from streams.submit.verdict import Refusal
from streams.watch.blocks_seen import blocks_seen
from streams.watch.prefetch import Block

TERM = Term(1)
ACTION = Rerange(half_width_log_bps=LogBps(600), stall_after_s=Seconds(60))
LIMITS = Limits(
    twap_window_s=Seconds(48),
    max_spot_from_twap_log_bps=LogBps(1_500),
    max_cost_bps=Bps(500),
    max_daily_cost_bps=Bps(10_000),
    max_daily_gas_bps=Bps(10_000),
    max_actions_per_day=1_000,
    max_slippage_bps=Bps(300),
    max_age_blocks=8,
    signer=SignersLimits(
        max_loss_bps=Bps(500), max_share_of_depth_bps=Bps(10_000), twap_window_s=Seconds(60)
    ),
)


def book_on(world: World, pool: DevnetPool, owner: str, **changes: Any) -> Policy:
    """Make a policy of a live book of WETH and a pool's dollars, with wide limits."""
    usdc = world.usdc_of(pool)
    fields: dict[str, Any] = {
        "book": "alpha",
        "chain": ChainProfile(
            chain_id=ChainId(world.chain_id),
            wrapped_native=Address(world.weth),
            position_manager=Address(world.position_manager),
            factory=Address(world.factory),
            router=Address(world.router),
            check_every_blocks=10,
        ),
        "owner": owner,
        "accounts": (owner,),
        "base": world.weth,
        "quote": usdc,
        "tokens": (
            TokenSpec(address=Address(world.weth), symbol="WETH", decimals=18),
            TokenSpec(address=Address(usdc), symbol="USDC", decimals=6),
        ),
        "pools": (pool.address,),
        "reference_pool": pool.address,
        "strategy": TargetBand(
            band_bps=Bps(600),
            hysteresis_bps=Bps(100),
            hold_out_of_range_s=Seconds(60),
            cooldown_s=Seconds(48),
        ),
        "limits": LIMITS,
        "action": ACTION,
        "mode": "live",
    }
    made = Policy(**{**fields, **changes})
    return msgspec.structs.replace(made, policy_version=version_of(made))


class ChainDesk:
    """A chain, a shard and the signer's judge, stepped by the test: blocks come from the chain, and intents go to it after the judge's check."""

    def __init__(self, chain: Chain, world: World, book: Policy) -> None:
        self.chain, self.world, self.book = chain, world, book
        self.shard, self.routes = Shard(ShardId(0)), Tables()
        self.log: list[AnyEvent] = []
        self.outputs: list[Any] = []
        self.pending: list[SubmitTransaction] = []
        self.refusals: list[Refusal] = []
        self.done: list[SubmitTransaction] = []
        self.hashes: dict[str, str] = {}
        self.offers: dict[str, dict[str, str]] = {}
        """What was sent last for each intent, as the node takes it."""
        self.limits = limits_of(world, **ROOMY | {"max_loss_bps": 500})
        self.append(WriterStarted(term=TERM, instance="test"))
        self.append(PolicySet(policy=book))
        self._run(self._read_wanted)

    # -------------------------------------------------------------- the log
    def append(self, event: AnyEvent) -> list[Any]:
        follow(self.routes, event)
        new = drive(self.shard, [event])
        self.log.append(event)
        self.outputs += new
        self.pending += [each for each in new if isinstance(each, SubmitTransaction)]
        return list(new)

    def said(self, kind: type) -> list[Any]:
        return [each for each in self.outputs if isinstance(each, kind)]

    # -------------------------------------------------------------- the chain
    def block(self, *others: Tx) -> list[str]:
        """Mine a block with the next of the owner's intents and then others' transactions, apply it, and return the others' hashes."""
        sent = self._act(self.pending.pop(0)) if self.pending else None
        hashes = [self.chain.send(tx) for tx in others]
        self.chain.mine()
        assert all(self.chain.receipt(tx_hash).succeeded for tx_hash in hashes)
        if sent is not None:
            self.done.append(sent)
        self._run(self._take_blocks)
        return hashes

    def block_of_all(self) -> None:
        """Mine a block with all of the owner's intents, each checked after the waiting ones before it, and apply the block."""
        sent: list[SubmitTransaction] = []
        while self.pending:
            one = self._act(self.pending.pop(0), behind=sent)
            sent += [] if one is None else [one]
        self.chain.mine()
        self.done += sent
        self._run(self._take_blocks)

    def _act(
        self, intent: SubmitTransaction, behind: Sequence[SubmitTransaction] = ()
    ) -> SubmitTransaction | None:
        """Check one intent on the head, as the signer does, and send it as its owner."""
        lost = None if behind else self._lost(intent)
        found = lost or self._run(lambda node: self._judge(node, intent, behind))
        if isinstance(found, Refusal):
            refusal = found
            self.refusals.append(refusal)
            self.append(IntentRefused(intent=intent.digest, reason=refusal.reason, detail=refusal.detail))
            for other in self.pending:  # what follows it is refused too
                self.append(IntentRefused(intent=other.digest, reason="simulation", detail="follows it"))
            self.pending = []
            return None
        self.append(Simulated(intent=intent.digest, at=intent.made_at, gas_used=1))
        self.offer(intent, found)
        return intent

    def offer(self, intent: SubmitTransaction, fees: Fees, nonce: str = "") -> None:
        """Send an intent's transaction with given fees, and report it, with a new nonce or a given one."""
        call = intent.call
        nonce = nonce or self.chain.rpc("eth_getTransactionCount", intent.owner, "pending")
        request = Tx(sender=intent.owner, to=call.to, data=call.data, gas=call.gas_limit).request()
        request |= {**on_the_wire(fees), "nonce": nonce}
        tx_hash = self.chain.rpc("eth_sendTransaction", request)
        self.offers[intent.digest] = request
        self.hashes[intent.digest] = tx_hash
        self.append(Signed(intent=intent.digest, nonce=len(self.done), transaction_hash=Hash(tx_hash)))
        self.append(Sent(intent=intent.digest, transaction_hash=Hash(tx_hash)))

    def _lost(self, intent: SubmitTransaction) -> Refusal | None:
        """Return the intents whose transactions were cancelled, which have no receipt."""
        before = self.hashes.get(intent.after or "")
        if before is None or self.chain.rpc("eth_getTransactionReceipt", before) is not None:
            return None
        return Refusal("predecessor", f"it follows {intent.after}, of which nothing comes")

    # -------------------------------------------------------------- inside
    def _run(self, work: Callable[[HttpSenderNode], Any]) -> Any:
        async def running() -> Any:
            node = HttpSenderNode(self.chain.url, timeout_s=10)
            try:
                return await work(node)
            finally:
                await node.close()

        return asyncio.run(running())

    async def _take_blocks(self, node: HttpSenderNode) -> None:
        newest = await node.newest()
        while self.routes.head is None or self.routes.head.number < newest.block.number:
            number = newest.block.number if self.routes.head is None else self.routes.head.number + 1
            (header,) = await node.headers([BlockNumber(number)])
            assert header is not None
            (body,) = await node.bodies([header])
            assert body is not None
            assert log_filter(self.routes) is not None
            (event,) = await blocks_seen(
                self.routes, node, [Block(header, body, {})], TERM, multicall=Address(self.world.multicall)
            )
            self.append(event)
            checks: list[DueRead] = []
            if number % self.book.chain.check_every_blocks == 0:
                named = (f"balance/{self.book.owner}/{token.address}" for token in self.book.tokens)
                checks = [DueRead(item=item, why="check") for item in named]
            await self._read(node, checks)
            await self._read_wanted(node)

    async def _read_wanted(self, node: HttpSenderNode) -> None:
        for _ in range(4):
            await self._read(node, wanted(self.routes))

    async def _read(self, node: HttpSenderNode, wants: list[DueRead]) -> None:
        newest = await node.newest()
        at = self.routes.head or newest.block
        holders = tuple(sorted({pool for policy in policies(self.routes) for pool in policy.all_pools()}))
        place = ReadContext(chain=self.book.chain, block=at, term=TERM, holders=holders)
        async for event in observe(node, place, wants, multicall=Address(self.world.multicall)):
            self.append(event)

    async def _judge(
        self, node: HttpSenderNode, intent: SubmitTransaction, behind: Sequence[SubmitTransaction]
    ) -> Refusal | Fees:
        """Check an intent with the signer's judge, and return its offer; transactions of earlier blocks count as mined."""
        judge = Judge(node, self.limits, multicall=Address(self.world.multicall), stop_of=lambda _: None)
        look = await node.look(await node.newest(), intent.owner, ())
        view = ChainView(head=look.head, nonce=look.nonce, inclusions=look.inclusions)
        account = new_account(intent.owner, look.nonce)
        for number, each in enumerate(behind, 1):
            account = bind(account, each, attempt(number), look.head, NO_CHARGE)
        memory = SignerState(account=reconcile(account, view), intents={i.digest: _open(i) for i in behind})
        if not behind:
            intent = msgspec.structs.replace(intent, after=None)
        try:
            return (await judge.judge(intent, memory, look)).fees
        except Refusal as refusal:
            return refusal


def on_the_wire(fees: Fees) -> dict[str, str]:
    """Encode fees for `eth_sendTransaction`."""
    return {"maxFeePerGas": hex(fees.max_fee_wei), "maxPriorityFeePerGas": hex(fees.tip_wei)}


def _open(intent: SubmitTransaction) -> IntentKnown:
    """Know an intent as one that is signed and in no block yet."""
    return IntentKnown(
        signer=intent.signer,
        intent=intent.digest,
        shard=ShardId(0),
        position=intent.position,
        outcome="open",
        keep_until_block=BlockNumber(intent.made_at.number + 100),
    )
