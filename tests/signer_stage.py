"""A broker and a chain in memory that outlive the signer's processes which a test starts on them."""

from collections import defaultdict
from typing import Any

from intents import intent, wide_budget
from signer_limits import signer_limits

from pipeline.messages.journal import NonceBound
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address
from pipeline.venues.abi import function
from streams.submit.fake import FakeInbox, FakeJournal, FakeReports, FakeSignerBroker
from streams.submit.fake_node import FAKE_CHAIN, FakeSenderNode, FakeSigner
from streams.submit.serve import Submit
from streams.submit.submit_timing import SubmitTiming
from streams.submit.venues.uniswap_v3.terms import PricedPool

GWEI = 10**9
SIGNER, STRANGER = Address("0x" + "51" * 20), Address("0x" + "52" * 20)
ROUTER, MANAGER = Address("0x" + "c1" * 20), Address("0x" + "c2" * 20)
WETH, USDC = Address("0x" + "a1" * 20), Address("0x" + "a2" * 20)
LIMITS = signer_limits(
    router=ROUTER,
    position_manager=MANAGER,
    wrapped_native=WETH,
    budget=wide_budget(USDC),
    pools=(PricedPool(address=Address("0x" + "e1" * 20), token0=WETH, token1=USDC, fee_pips=500),),
    final_depth_blocks=4,
    bump_after_blocks=2,
)
TIMING = SubmitTiming(strange_looks=2)


class Stage:
    """A broker and a chain that outlive the processes which a test starts on them."""

    def __init__(self) -> None:
        self.broker = FakeSignerBroker()
        self.node = FakeSenderNode()
        self.asked: list[SubmitTransaction] = []
        self.now_s = 0.0

    async def start(self, *, reach=lambda _: None, crash_at=None, **changes) -> Submit:
        await self.begin()
        submit = self.process(reach=reach, crash_at=crash_at, **changes)
        await submit.open()
        return submit

    async def begin(self) -> None:
        """Begin the signer's journal before the first intent."""
        if f"signer/{SIGNER}".encode() not in self.broker.journal():
            waiting, self.broker.intents = self.broker.intents, defaultdict(list)
            try:
                await self.process(new_signer=True).open()
            finally:
                self.broker.intents = waiting

    def process(self, *, reach=lambda _: None, crash_at=None, **changes) -> Submit:
        return Submit(
            self.node,
            FakeJournal(self.broker, crash_at),
            FakeReports(self.broker),
            FakeInbox(self.broker),
            chain_id=FAKE_CHAIN,
            partitions=2,
            signer=FakeSigner(SIGNER),
            limits=LIMITS,
            timing=TIMING,
            clock=lambda: self.now_s,
            reach=reach,
            **changes,
        )

    def ask(self, **changes) -> SubmitTransaction:
        """Put an intent for an allowance whose size identifies it."""
        number = len(self.asked) + 1
        usual: dict[str, Any] = {
            "digest": number,
            "offset": number,
            "made_at": self.node.blocks[-1].ref,
            "to": WETH,
            "data": function("tokens/ERC20", "approve").calldata(ROUTER, number),
            "position": f"position/{number}",
        }
        wanted = intent(**(usual | changes))
        self.asked.append(wanted)
        self.broker.put(wanted.because_of.shard, wanted)
        return wanted

    def times_done(self, wanted: SubmitTransaction) -> int:
        return sum(tx.data == wanted.call.data for tx in self.node.effects())

    def reports(self, wanted: SubmitTransaction) -> list:
        return [r for r in self.broker.reports(wanted.because_of.shard) if r.intent == wanted.digest]

    def said(self, wanted: SubmitTransaction) -> list[str]:
        return [type(report).__name__ for report in self.reports(wanted)]

    def bound(self) -> list[NonceBound]:
        return [entry for entry in self.broker.entries().values() if isinstance(entry, NonceBound)]
