"""A signer's node in memory: a mempool, blocks mined by hand, branches that go away."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak

from pipeline.errors import CalldataError, NodeError
from pipeline.messages.base import BlockRef
from pipeline.messages.journal import Inclusion
from pipeline.units import Address, BlockNumber, ChainId, Hash, Seconds, Wei
from streams.node.port import Header
from streams.submit.node import CallToSimulate, SignerView, SimulatedCall
from streams.submit.send_errors import SendOutcome, outcome_of
from streams.submit.signer import SignedBytes, Unsigned
from streams.submit.used_nonce import UsedNonce

FAKE_CHAIN = ChainId(1_337)
_BLOCK_S = 12
_GENESIS_S = 1_767_225_600
_RICH = 10**30
_GWEI = 10**9
_GAS_USED = 50_000
_REPLACE_PERCENT = 110


class FakeSigner:
    """Signs by writing the transaction down: always the same bytes, which the fake node reads back."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def sign(self, transaction: Unsigned) -> SignedBytes:
        """Write a transaction down."""
        raw = msgspec.json.encode((self.address, transaction))
        return SignedBytes(transaction_hash=Hash("0x" + keccak(raw).hex()), raw="0x" + raw.hex())

    def read_back(self, raw: str) -> tuple[Unsigned, SignedBytes]:
        """Read a transaction that this signer wrote down. Raises: CalldataError."""
        try:
            signer, transaction = msgspec.json.decode(bytes.fromhex(raw[2:]), type=tuple[str, Unsigned])
        except (ValueError, msgspec.DecodeError) as error:
            raise CalldataError(f"they are not a transaction: {error}") from error
        if signer != self.address:
            raise CalldataError(f"they are signed by {signer}, not by {self.address}")
        return transaction, self.sign(transaction)

    def journal_secret(self, chain_id: ChainId) -> bytes:
        """Derive a secret from the address: it only tells signers apart."""
        return keccak(text=f"{chain_id}/{self.address}")


class FakeBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block and the signer's transactions in it."""

    ref: BlockRef
    base_fee_wei: Wei
    transactions: tuple[tuple[Hash, Unsigned], ...] = ()


@dataclass(eq=False)
class FakeSenderNode:
    """`sender_node.SenderNode` for one account, whose blocks a test mines."""

    blocks: list[FakeBlock] = field(default_factory=list)
    pool: dict[int, tuple[Hash, Unsigned]] = field(default_factory=dict)
    first_nonce: int = 5
    silent: bool = False
    """It takes bytes and answers, but the answers do not arrive."""
    branches: int = 0

    def __post_init__(self) -> None:
        """Start with one block."""
        self.mine(Wei(_GWEI))

    # -------------------------------------------------------------- by hand
    def mine(self, base_fee_wei: Wei | None = None) -> BlockRef:
        """Mine a block with the pending transactions that can pay for it, in the order of nonces."""
        number = self.blocks[-1].ref.number + 1 if self.blocks else 100
        parent = self.blocks[-1].ref.hash if self.blocks else "0x" + "00" * 32
        fee_wei = Wei(self.blocks[-1].base_fee_wei if base_fee_wei is None else base_fee_wei)
        ref = BlockRef(
            number=BlockNumber(number),
            hash=Hash("0x" + keccak(text=f"{self.branches}/{number}/{parent}").hex()),
            parent_hash=Hash(parent),
            timestamp_s=Seconds(_GENESIS_S + _BLOCK_S * number),
        )
        taken = []
        nonce = self.nonce
        while nonce in self.pool and self.pool[nonce][1].max_fee_wei >= fee_wei:
            taken.append(self.pool.pop(nonce))
            nonce += 1
        self.blocks.append(FakeBlock(ref=ref, base_fee_wei=fee_wei, transactions=tuple(taken)))
        self.pool = {n: each for n, each in self.pool.items() if n >= nonce}
        return ref

    def reorg(self, depth: int, *, lose: bool) -> None:
        """Revert blocks; their transactions are lost, or pending again. The new branch is one block longer."""
        gone, self.blocks = self.blocks[-depth:], self.blocks[:-depth]
        self.branches += 1
        if not lose:
            self.pool |= {tx.nonce: (hash_, tx) for block in gone for hash_, tx in block.transactions}
            self.mine()
        for _ in range(depth + lose):
            self.mine()

    @property
    def nonce(self) -> int:
        """Return how many of the account's transactions the branch holds."""
        return self.first_nonce + sum(len(block.transactions) for block in self.blocks)

    def effects(self) -> list[Unsigned]:
        """List what is mined on the present branch."""
        return [tx for block in self.blocks for _, tx in block.transactions]

    # -------------------------------------------------------------- as a node
    async def chain_id(self) -> ChainId:
        """Return the chain's id."""
        return FAKE_CHAIN

    async def newest(self) -> Header:
        """Return the newest block."""
        self._answer()
        block = self.blocks[-1]
        return Header(block=block.ref, base_fee_wei=block.base_fee_wei, transactions=(), logs_bloom=0)

    async def block_hash(self, number: BlockNumber) -> Hash | None:
        """Return the hash of the block at a number."""
        self._answer()
        return next((block.ref.hash for block in self.blocks if block.ref.number == number), None)

    async def look(self, head: Header, signer: Address, hashes: Sequence[Hash]) -> SignerView:
        """Return what the newest head says."""
        del signer
        self._answer()
        included = {
            hash_: Inclusion(
                transaction_hash=hash_,
                block_number=block.ref.number,
                block_hash=block.ref.hash,
                succeeded=True,
                paid_wei=Wei(_GAS_USED * block.base_fee_wei),
            )
            for block in self.blocks
            for hash_, _ in block.transactions
        }
        return SignerView(
            head=head.block,
            next_base_fee_wei=self.blocks[-1].base_fee_wei,
            tip_wei=Wei(_GWEI),
            nonce=self.nonce,
            balance_wei=Wei(_RICH),
            inclusions={hash_: included[hash_] for hash_ in hashes if hash_ in included},
        )

    async def pending_nonce(self, signer: Address) -> int:
        """Count mined transactions, and those pending behind them without a gap."""
        del signer
        self._answer()
        nonce = self.nonce
        while nonce in self.pool:
            nonce += 1
        return nonce

    async def used_nonce(
        self, signer: Address, nonce: int, *, after: BlockNumber, upto: BlockNumber
    ) -> UsedNonce | None:
        """Find the transaction of a nonce in blocks above a height."""
        del signer
        self._answer()
        for block in self.blocks:
            for hash_, tx in block.transactions:
                if tx.nonce == nonce and after < block.ref.number <= upto:
                    raw = "0x" + msgspec.json.encode(tx).hex()
                    return UsedNonce(transaction=tx, signed=SignedBytes(transaction_hash=hash_, raw=raw))
        return None

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        """Fail: there are no contracts."""
        del data, at
        raise NodeError(f"{to} is not a contract here")

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        """Let every call succeed without moving anything; every balance is large."""
        del at, time_s
        self._answer()
        balances = abi_encode(("(bool,bytes)[]",), ([(True, _RICH.to_bytes(32, "big"))] * _held(calls),))
        return [
            SimulatedCall(succeeded=True, returned=balances, gas_used=_GAS_USED, logs=(), reason="")
            for _ in calls
        ]

    async def send(self, raw: str) -> SendOutcome:
        """Accept bytes as pending, or say why not."""
        outcome = self._take(bytes.fromhex(raw.removeprefix("0x")))
        return SendOutcome("busy", "no answer") if self.silent else outcome

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _answer(self) -> None:
        if self.silent:
            raise NodeError("no answer")

    def _take(self, raw: bytes) -> SendOutcome:
        _, transaction = msgspec.json.decode(raw, type=tuple[str, Unsigned])
        hash_ = Hash("0x" + keccak(raw).hex())
        if transaction.nonce < self.nonce:
            return outcome_of("nonce too low")
        held_hash, held = self.pool.get(transaction.nonce, (None, None))
        if held_hash == hash_:
            return outcome_of("already known")
        if held is not None and not _outbids(transaction, held):
            return outcome_of("replacement transaction underpriced")
        self.pool[transaction.nonce] = (hash_, transaction)
        return SendOutcome("taken")


def _outbids(new: Unsigned, old: Unsigned) -> bool:
    return (
        new.max_fee_wei * 100 >= old.max_fee_wei * _REPLACE_PERCENT
        and new.tip_wei * 100 >= old.tip_wei * _REPLACE_PERCENT
    )


def _held(calls: Sequence[CallToSimulate]) -> int:
    """Count the calls in the aggregate around the transaction: its second word."""
    data = bytes.fromhex(calls[-1].data.removeprefix("0x"))
    return int.from_bytes(data[4 + 32 : 4 + 64], "big")
