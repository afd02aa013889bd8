"""`port.Fork` on an anvil of our own: transactions by impersonation, records by the watcher's own code."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from pipeline import keys
from pipeline.errors import BlockUnknownError, CallRevertedError
from pipeline.messages.base import BlockRef
from pipeline.messages.entries import Writer
from pipeline.messages.events import AnyEvent, BlockSeen, IntentRefused, Sent, Signed, Simulated
from pipeline.messages.journal import NO_CHARGE, Attempt
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import FeeCaps, FeeMarket, Fees, first_fees
from pipeline.sign.nonces import Account, bind, new_account
from pipeline.state.policies import profile
from pipeline.state.tables import Tables
from pipeline.units import Address, BlockNumber, Hash, Seconds, Wei
from pipeline.venues.due_read import DueRead
from streams.node.budget import NodeBudget, RateLimit
from streams.node.chain_reads import observe
from streams.node.contract_calls import ContractReader
from streams.node.multicall import MULTICALL3
from streams.node.port import Header
from streams.node.venues.port import ReadContext
from streams.rehearse.fork import ForkNode, forked
from streams.rehearse.port import Fork, NotTried
from streams.submit.node import HttpSenderNode, SignerView
from streams.submit.simulation import check_minimums, simulate
from streams.submit.verdict import Refusal
from streams.watch.blocks_seen import allowances_at, blocks_seen, granted_by
from streams.watch.prefetch import Block

_LEAST_TIP_WEI = Wei(10**8)
"""Where the last blocks were empty."""
_FOLLOWED_S = 2.0
"""How long to wait for a block above: while a local chain makes it, its answers about the newest are not reliable."""
_LOOK_AGAIN_S = 0.05
_CALL_TIMEOUT_S = 20.0


class AnvilForks:
    """Forks a node's chain with a local anvil program."""

    def __init__(
        self,
        program: Path,
        rpc_url: str,
        *,
        multicall: Address = MULTICALL3,
        limit: RateLimit | None = None,
    ) -> None:
        """Prepare. The URL may hold a key: it is in no command line. All forks together keep to the rate limit."""
        self._program, self._url, self._multicall = program, rpc_url, multicall
        self._budget = NodeBudget(limit or RateLimit())

    @asynccontextmanager
    async def at(self, block: BlockRef, owner: Address, block_s: Seconds) -> AsyncIterator[Fork]:
        """Fork the chain after a block, and discard the fork at the end.

        Raises: NotTried where the block is on no branch or its state is gone, NodeError.
        """
        node = HttpSenderNode(self._url, timeout_s=_CALL_TIMEOUT_S, budget=self._budget)
        try:
            header = await _header_of(node, block, patience_s=_FOLLOWED_S)
            (balance,) = await node.native_balances([(owner, block.hash)])
            if balance is None:
                raise NotTried("too_old", f"the node no longer has the state of block {block.number}")
            look = await node.look(header, owner, ())
            async with forked(
                self._program, self._url, block.number, timeout_s=_CALL_TIMEOUT_S, budget=self._budget
            ) as anvil:
                copied = await anvil.newest()
                if copied.block.hash != block.hash:
                    raise NotTried("orphaned", f"block {block.number} is another by now")
                market = FeeMarket(
                    base_fee_wei=look.next_base_fee_wei, tip_wei=max(look.tip_wei, _LEAST_TIP_WEI)
                )
                yield AnvilFork(
                    anvil, copied, market=market, owner=owner, block_s=block_s, multicall=self._multicall
                )
            await _header_of(
                node, block, patience_s=0
            )  # a fork asks by height: had the branch changed, it would be of two
        finally:
            await node.close()


class NoForks:
    """`port.Forks` where there is no program to fork with."""

    def at(self, block: BlockRef, owner: Address, block_s: Seconds) -> AbstractAsyncContextManager[Fork]:
        """Say that nothing can be forked. Raises: NotTried."""
        del block, owner, block_s
        raise NotTried("failed", "there is no anvil here to fork the chain with: `evenkeel doctor`")


async def _header_of(node: HttpSenderNode, block: BlockRef, *, patience_s: float) -> Header:
    """Read a block on the node's branch, once there is another above it, within a short time. Raises: NotTried, NodeError."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + patience_s
    while True:
        header, above = await node.headers([block.number, BlockNumber(block.number + 1)])
        if header is not None and header.block.hash != block.hash:
            raise NotTried("orphaned", f"block {block.number} is another by now")
        if above is not None or loop.time() >= until_s:
            break
        await asyncio.sleep(_LOOK_AGAIN_S)
    if header is None:
        raise BlockUnknownError(f"the node does not know block {block.number}")
    return header


class AnvilFork:
    """`port.Fork` on an anvil that forks the chain."""

    def __init__(
        self,
        node: ForkNode,
        header: Header,
        *,
        market: FeeMarket,
        owner: Address,
        block_s: Seconds,
        multicall: Address,
    ) -> None:
        """Set an anvil whose head is the block. The base fee stays what it is right after it."""
        self._node, self._header, self._market = node, header, market
        self._owner, self._block_s, self._multicall = owner, block_s, multicall
        self._account: Account | None = None
        self._refused: set[str] = set()

    @property
    def lent_wei(self) -> Wei:
        """How much coin the fork lent the owner for gas."""
        return self._node.lent_wei.get(self._owner, Wei(0))

    async def as_live(self, tables: Tables, event: BlockSeen) -> BlockSeen:
        """Add to the record of the fork's first block what the watcher reads for live books only."""
        reader = ContractReader(self._node, multicall=self._multicall, at=self._header.block.hash)
        return replace(event, reads=(*event.reads, *await allowances_at(reader, granted_by(tables))))

    async def send(self, intent: SubmitTransaction) -> Sequence[AnyEvent]:
        """Send a transaction for the next block as its owner, or refuse it as a signer would; return which."""
        try:
            gas_used, fees = await self._judge(intent)
            hash_ = await self._transact(intent, fees)
        except Refusal as refusal:
            self._refused.add(intent.digest)
            return (IntentRefused(intent=intent.digest, reason=refusal.reason, detail=refusal.detail),)
        account = await self._known_account()
        attempt = Attempt(
            transaction_hash=hash_,
            raw="0x",
            max_fee_wei=fees.max_fee_wei,
            tip_wei=fees.tip_wei,
            gas_limit=intent.call.gas_limit,
        )
        self._account = bind(account, intent, attempt, self._header.block, NO_CHARGE)
        return (
            Simulated(intent=intent.digest, at=self._header.block, gas_used=gas_used),
            Signed(intent=intent.digest, nonce=account.next_nonce, transaction_hash=hash_),
            Sent(intent=intent.digest, transaction_hash=hash_),
        )

    async def mine(self, tables: Tables) -> BlockSeen:
        """Mine the next block of what was sent, and return a shard's part of it."""
        time_s = Seconds(self._header.block.timestamp_s + self._block_s)
        self._header = await self._node.mine(time_s, self._market.base_fee_wei)
        self._account = None
        (body,) = await self._node.bodies([self._header])
        if body is None:
            raise BlockUnknownError(f"the fork does not know its block {self._header.block.number}")
        block = Block(self._header, body, {})
        term = tables.need(keys.WRITER, Writer).term
        (event,) = await blocks_seen(tables, self._node, [block], term, multicall=self._multicall)
        return event

    async def read(self, tables: Tables, wants: Sequence[DueRead]) -> Sequence[AnyEvent]:
        """Read what a shard needs at the head."""
        chain = profile(tables)
        assert chain is not None, "a shard without books wants nothing"
        place = ReadContext(chain=chain, block=self._header.block, term=tables.need(keys.WRITER, Writer).term)
        return [read async for read in observe(self._node, place, wants, multicall=self._multicall)]

    # -------------------------------------------------------------- as a signer does
    async def _judge(self, intent: SubmitTransaction) -> tuple[int, Fees]:
        """Check what a signer checks on the chain: fees, and a simulation behind what is pending. Raises: Refusal, NodeError."""
        if intent.after in self._refused:
            raise Refusal("simulation", f"it follows {intent.after}, of which nothing comes")
        fees = first_fees(self._market, _caps_of(intent))
        if fees is None:
            raise Refusal("limits", "the base fee and a tip are above the most that may be offered")
        effect = await simulate(
            self._node,
            intent,
            await self._known_account(),
            _look_at(self._header),
            tokens=(),
            multicall=self._multicall,
            block_s=self._block_s,
        )
        check_minimums(intent, effect)
        return effect.gas_used, fees

    async def _transact(self, intent: SubmitTransaction, fees: Fees) -> Hash:
        account = await self._known_account()
        sent = [*(bound.intent for bound in account.nonces), intent]
        wanted_wei = sum(each.call.gas_limit * fees.max_fee_wei + each.call.value_wei for each in sent)
        await self._node.lend(intent.owner, Wei(wanted_wei))
        try:
            return await self._node.transact(intent.owner, intent.call, fees)
        except CallRevertedError as error:
            raise Refusal("simulation", str(error)) from None

    async def _known_account(self) -> Account:
        """Return the owner's nonces: those of this block's transactions are pending."""
        if self._account is None:
            self._account = new_account(self._owner, await self._node.nonce(self._owner))
        return self._account


def _caps_of(intent: SubmitTransaction) -> FeeCaps:
    """Return the intent's own fee cap for both caps: what a signer's file allows is not known here."""
    return FeeCaps(max_fee_wei=intent.max_fee_per_gas_wei, tip_wei=intent.max_fee_per_gas_wei)


def _look_at(header: Header) -> SignerView:
    return SignerView(
        head=header.block,
        next_base_fee_wei=Wei(0),
        tip_wei=Wei(0),
        nonce=0,
        balance_wei=Wei(0),
        inclusions={},
    )
