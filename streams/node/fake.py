"""A chain in memory that passes the same tests as a real node, and forks and misbehaves on demand."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from pipeline.errors import (
    BlockUnknownError,
    BrokenAnswerError,
    CallRevertedError,
    NodeBusyError,
    StateGoneError,
)
from pipeline.messages.base import BlockRef, RawLog, Receipt
from pipeline.units import Address, BlockNumber, ChainId, Hash, LogIndex, Seconds, Wei
from streams.node.answers import bloom_of
from streams.node.fake_tokens import Contract, simulate
from streams.node.port import AccountState, Body, BodyScope, CallToSimulate, Header, SimulatedCall

Fault = Literal["null", "stall", "lie"]
"""`null`: the node does not know. `stall`: no answer in time. `lie`: an answer that contradicts itself."""

_BLOCK_S = 12
_GENESIS_AT_S = 1_767_225_600
_NOBODY = Hash("0x" + "0" * 64)


class FakeLog(msgspec.Struct, frozen=True, kw_only=True):
    """A log that a transaction emits."""

    address: Address
    topics: tuple[str, ...]
    data: str = "0x"


class FakeTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction and what it does."""

    sender: Address
    to: Address
    logs: tuple[FakeLog, ...] = ()
    succeeded: bool = True


class FakeChain:
    """`port.Node`, with the chain that it follows."""

    def __init__(self, *, chain_id: int = 31_337, forgets: bool = True) -> None:
        """Start with one empty block. Unless told to forget, it knows orphaned blocks by hash, as geth does."""
        self.contracts: dict[Address, Contract] = {}
        self.wei: dict[Address, Callable[[Header], int]] = {}
        """What accounts have; nothing unless told."""
        self.fees_bps: dict[Address, int] = {}
        """What tokens keep of a simulated transfer."""
        self.lags_blocks = 0
        """So much less does the node show than there is."""
        self.own_time = False
        """Whether its blocks are made on command."""
        self.keeps_states: int | None = None
        """How many of the newest blocks can be asked for state; None: all."""
        self.questions: list[str] = []
        self._chain_id = ChainId(chain_id)
        self._forgets = forgets
        self._branch: list[tuple[Header, Body]] = []
        self._orphans: dict[Hash, tuple[Header, Body]] = {}
        self._sent: dict[Hash, Counter[Address]] = {_NOBODY: Counter()}
        """By block: how many transactions each account has sent on its branch up to it."""
        self._faults: dict[str, list[Fault]] = {}
        self._salt = 0
        self.mine()

    # -------------------------------------------------------------- the chain
    def mine(self, *transactions: FakeTransaction) -> Header:
        """Mine a block with some transactions."""
        self._salt += 1
        number = BlockNumber(len(self._branch))
        parent = self._branch[-1][0].block.hash if self._branch else _NOBODY
        digest = hashlib.sha256(f"{parent} {self._salt}".encode()).hexdigest()
        body = _body_of(transactions, digest)
        header = Header(
            block=BlockRef(
                number=number,
                hash=Hash("0x" + digest),
                parent_hash=parent,
                timestamp_s=Seconds(_GENESIS_AT_S + _BLOCK_S * number),
            ),
            base_fee_wei=Wei(10**9 + self._salt),
            transactions=tuple(receipt.transaction_hash for receipt in body.receipts),
            logs_bloom=bloom_of(body.logs),
            is_bloom_proven=True,
        )
        self._sent[header.block.hash] = self._sent[parent] + Counter(each.sender for each in transactions)
        self._branch.append((header, body))
        return header

    def rollback(self, depth: int) -> Header:
        """Revert the last blocks."""
        for header, body in self._branch[len(self._branch) - depth :]:
            self._orphans[header.block.hash] = (header, body)
        del self._branch[len(self._branch) - depth :]
        return self.head

    @property
    def head(self) -> Header:
        """The newest block of the chain, whatever the node shows."""
        return self._branch[-1][0]

    def blocks(self) -> list[tuple[Header, Body]]:
        """List the present branch."""
        return list(self._branch)

    def fail(self, question: str, *faults: Fault) -> None:
        """Make the next answers to a question of the port fail, one after another."""
        self._faults.setdefault(question, []).extend(faults)

    # -------------------------------------------------------------- the node
    async def chain_id(self) -> ChainId:
        """Ask which chain the node follows."""
        self._answer("chain_id")
        return self._chain_id

    async def keeps_own_time(self) -> bool:
        """Return whether blocks are made on command."""
        self._answer("keeps_own_time")
        return self.own_time

    async def newest(self) -> Header:
        """Ask for the newest block."""
        if self._answer("newest") == "null":
            raise BlockUnknownError("the node has no newest block")
        return self._shown()[-1][0]

    async def headers(self, numbers: Sequence[BlockNumber]) -> list[Header | None]:
        """Return blocks of the present branch by height."""
        if self._answer("headers") == "null":
            return [None] * len(numbers)
        shown = self._shown()
        return [shown[number][0] if 0 <= number < len(shown) else None for number in numbers]

    async def header(self, block_hash: Hash) -> Header | None:
        """Return a block by hash, of any branch."""
        if self._answer("header") == "null":
            return None
        found = self._known().get(block_hash)
        return None if found is None else found[0]

    async def bodies(self, headers: Sequence[Header], scope: BodyScope | None = None) -> list[Body | None]:
        """Return the bodies of blocks by their hashes, or what a scope asks for of them."""
        if self._answer("bodies") == "null":
            return [None] * len(headers)
        known = self._known()
        return [known[h.block.hash][1].within(scope) if h.block.hash in known else None for h in headers]

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Call a contract at the state after a block, given by hash."""
        if self._answer("call") == "null":
            return b""
        header = self._state(at)
        contract = self.contracts.get(to)
        answer = b"" if contract is None else contract(data, header)
        if answer is None:
            raise CallRevertedError("execution reverted")
        return answer

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Simulate calls on a block: of their effects, only transfers are known here."""
        del time_s
        self._answer("simulate")
        header = self._state(at)
        return simulate(self.contracts, calls, header, self.fees_bps)

    async def simulate_by_override(self, calls: Sequence[CallToSimulate], at: Hash) -> list[SimulatedCall]:
        """Simulate calls on a block, as `simulate` does."""
        return await self.simulate(calls, at, Seconds(0))

    async def native_balances(self, questions: Sequence[tuple[Address, Hash]]) -> list[Wei | None]:
        """Return native balances of accounts after blocks; None where the node no longer has the state."""
        if self._answer("native_balances") == "null":
            return [None] * len(questions)
        return [self._wei(account, at) for account, at in questions]

    async def accounts(self, questions: Sequence[tuple[Address, Hash]]) -> list[AccountState | None]:
        """Return the state of accounts after blocks; None where the node no longer has it."""
        if self._answer("accounts") == "null":
            return [None] * len(questions)
        return [self._account(account, at) for account, at in questions]

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    # -------------------------------------------------------------- inside
    def _answer(self, question: str) -> Fault | None:
        self.questions.append(question)
        fault = self._faults[question].pop(0) if self._faults.get(question) else None
        if fault == "stall":
            raise NodeBusyError(f"{question}: no answer in time")
        if fault == "lie":
            raise BrokenAnswerError(f"{question}: the node contradicts itself")
        return fault

    def _shown(self) -> list[tuple[Header, Body]]:
        return self._branch[: max(1, len(self._branch) - self.lags_blocks)]

    def _known(self) -> Mapping[Hash, tuple[Header, Body]]:
        known = {header.block.hash: (header, body) for header, body in self._shown()}
        return known if self._forgets else {**self._orphans, **known}

    def _state(self, at: Hash) -> Header:
        """Return a block whose state is available. Raises: BlockUnknownError, StateGoneError."""
        found = self._known().get(at)
        if found is None:
            raise BlockUnknownError("header not found")
        oldest = 0 if self.keeps_states is None else len(self._shown()) - self.keeps_states
        if found[0].block.number < oldest:
            raise StateGoneError("the node does not have the state of this block")
        return found[0]

    def _account(self, account: Address, at: Hash) -> AccountState | None:
        wei = self._wei(account, at)
        if wei is None:
            return None
        return AccountState(wei=wei, nonce=self._sent[at][account], has_code=account in self.contracts)

    def _wei(self, account: Address, at: Hash) -> Wei | None:
        try:
            header = self._state(at)
        except StateGoneError:
            return None
        return Wei(self.wei[account](header) if account in self.wei else 0)


def _body_of(transactions: Sequence[FakeTransaction], block_digest: str) -> Body:
    receipts: list[Receipt] = []
    logs: list[RawLog] = []
    for index, each in enumerate(transactions):
        tx_hash = Hash("0x" + hashlib.sha256(f"{block_digest} {index}".encode()).hexdigest())
        receipts.append(
            Receipt(
                transaction_hash=tx_hash,
                transaction_index=index,
                sender=each.sender,
                to=each.to,
                succeeded=each.succeeded,
                gas_used=21_000,
                effective_gas_price_wei=Wei(10**9),
            )
        )
        for log in each.logs:
            logs.append(
                RawLog(
                    address=log.address,
                    topics=log.topics,
                    data=log.data,
                    log_index=LogIndex(len(logs)),
                    transaction_hash=tx_hash,
                    transaction_index=index,
                )
            )
    return Body(logs=tuple(logs), receipts=tuple(receipts))
