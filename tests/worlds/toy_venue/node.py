"""The chain in memory as a signer's node: a simulation mines the transaction on a temporary branch."""

from collections.abc import Callable, Sequence

from eth_abi.abi import encode
from msgspec.structs import replace

from pipeline.units import Address, BlockNumber, Hash, Seconds, Wei
from pipeline.venues.abi import declared, function
from streams.node.fake import FakeLog
from streams.node.multicall import MULTICALL3
from streams.node.port import CallToSimulate, Header, SimulatedCall, SimulatedLog
from streams.submit.fake_node import FakeSenderNode
from streams.submit.node import SignerView
from worlds.toy_venue.contract import ToyContract

_AGGREGATE = function("multicall/Multicall3", "aggregate3")
_COIN = declared("getEthBalance(address)", "uint256")
_GAS_USED = 50_000
_FEE_WEI = Wei(10**9)


class ToySenderNode(FakeSenderNode):
    """`SenderNode` of the toy's chain. What it is asked and does not know, it refuses as `FakeSenderNode` does."""

    def __init__(self, toy: ToyContract) -> None:
        super().__init__()
        self.toy, self.chain = toy, toy.chain
        self.beside: Callable[[], tuple[FakeLog, ...]] = tuple
        """Logs that each simulated transaction also emits."""

    def view(self) -> SignerView:
        return SignerView(
            head=self.chain.head.block,
            next_base_fee_wei=_FEE_WEI,
            tip_wei=_FEE_WEI,
            nonce=0,
            balance_wei=Wei(10**20),
            inclusions={},
        )

    async def newest(self) -> Header:
        return self.chain.head

    async def block_hash(self, number: BlockNumber) -> Hash | None:
        return next((h.block.hash for h, _ in self.chain.blocks() if h.block.number == number), None)

    async def call(self, to: Address, data: bytes, at: Hash) -> bytes:
        return await self.chain.call(to, data, at)

    async def simulate(
        self, calls: Sequence[CallToSimulate], at: Hash, time_s: Seconds
    ) -> list[SimulatedCall]:
        del time_s
        assert at == self.chain.head.block.hash
        mined, results = 0, []
        for each in calls:
            if each.to == MULTICALL3:
                results.append(self._read(bytes.fromhex(each.data[2:])))
                continue
            done = self.toy.called(each.to, each.data)
            self.chain.mine(replace(done, logs=(*done.logs, *self.beside())))
            mined += 1
            _, body = self.chain.blocks()[-1]
            logs = tuple(
                SimulatedLog(address=log.address, topics=log.topics, data=bytes.fromhex(log.data[2:]))
                for log in body.logs
            )
            results.append(
                SimulatedCall(succeeded=True, returned=b"", gas_used=_GAS_USED, logs=logs, reason="")
            )
        self.chain.rollback(mined)
        return results

    def _read(self, data: bytes) -> SimulatedCall:
        answers = [self._answer_of(Address(to), asked) for to, _, asked in _AGGREGATE.decode(data)[0]]
        returned = encode(_AGGREGATE.outputs, [answers])
        return SimulatedCall(succeeded=True, returned=returned, gas_used=0, logs=(), reason="")

    def _answer_of(self, to: Address, data: bytes) -> tuple[bool, bytes]:
        if data[:4] == _COIN.selector:
            return True, (10**20).to_bytes(32)
        answer = self.chain.contracts[to](data, self.chain.head)
        return answer is not None, answer or b""
