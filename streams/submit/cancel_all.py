"""Cancel a signer's pending transactions, with its key and a node, and nothing else.

Nothing is journalled: there may be no broker. The next `evenkeel submit` finds these cancellations on the chain
and knows them by their signature (`used_nonce`).
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from pipeline.errors import InfrastructureError, NodeError, SettingsError
from pipeline.messages.journal import Attempt
from pipeline.sign.gas_fees import FeeCaps, FeeMarket, FeeRules, Fees, bumped_fees, first_fees
from pipeline.units import BlockNumber, ChainId, Wei
from streams.submit.cancellation import sign_cancellation
from streams.submit.node import SenderNode, SignerView
from streams.submit.send_errors import SendOutcome, joint
from streams.submit.signer import Signer

_LOOK_AGAIN_S = 1.0
_MORE_PERCENT = 112


class _Ours(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of the cancellation of one nonce."""

    bid: Attempt | None = None
    """The highest that a node took, or found too low: the next one offers more."""
    taken_at_block: BlockNumber | None = None
    """The head at which a node took it; None where none has it."""
    says: str = "not offered yet"


class CancelAll:
    """Cancels one signer's nonces from the first that is not mined to the last that is pending."""

    def __init__(
        self,
        nodes: Sequence[SenderNode],
        signer: Signer,
        *,
        chain_id: ChainId,
        rules: FeeRules,
        min_tip_wei: Wei,
        say: Callable[[str], None],
        look_again_s: float = _LOOK_AGAIN_S,
    ) -> None:
        """Set the nodes: the first is asked, all are sent to."""
        self._nodes = nodes
        self._signer = signer
        self._chain_id = chain_id
        self._rules = rules
        self._min_tip_wei = min_tip_wei
        self._say = say
        self._look_again_s = look_again_s
        self._ours: dict[int, _Ours] = {}

    async def run(self, *, up_to_nonce: int | None, within_s: float) -> int:
        """Cancel until nothing is pending; return how many nonces were cancelled.

        Raises: SettingsError if a node follows another chain, InfrastructureError naming what is left in the end.
        """
        for node in self._nodes:
            found = await node.chain_id()
            if found != self._chain_id:
                raise SettingsError(f"a node follows chain {found}, not {self._chain_id}")
        until_s = time.monotonic() + within_s
        end, left = up_to_nonce or 0, "nothing was looked at"
        while time.monotonic() < until_s:
            try:
                look = await self._nodes[0].look(await self._nodes[0].newest(), self._signer.address, ())
                end = max(end, await self._pending())
                if look.nonce >= end:
                    return len(self._ours)
                for nonce in range(look.nonce, end):
                    await self._cancel(nonce, look)
                waiting = range(look.nonce, end)
                left = "; ".join(f"nonce {nonce}: {self._ours[nonce].says}" for nonce in waiting)
            except NodeError as error:
                left = str(error)
                self._say(f"the node does not answer: {error}")
            await asyncio.sleep(self._look_again_s)
        raise InfrastructureError(f"after {within_s:.0f} s: {left}")

    async def _pending(self) -> int:
        """Count mined and pending transactions; the node that knows most counts. Raises: NodeError."""
        return max([await node.pending_nonce(self._signer.address) for node in self._nodes])

    async def _cancel(self, nonce: int, look: SignerView) -> None:
        """Send a cancellation, with higher and higher fees while the nodes ask for more to replace what they have."""
        ours = self._ours.get(nonce, _Ours())
        if ours.taken_at_block is not None:
            if look.head.number - ours.taken_at_block < self._rules.bump_after_blocks:
                return
            assert ours.bid is not None
            fees = bumped_fees(ours.bid, self._market(look), self._rules.cancel_caps)
            ours = replace(ours, taken_at_block=None)
        elif ours.bid is None:
            fees = first_fees(self._market(look), self._rules.cancel_caps)
        else:
            fees = _higher(ours.bid, self._rules.cancel_caps)
        self._ours[nonce] = await self._bid(nonce, ours, fees, look)

    async def _bid(self, nonce: int, ours: _Ours, fees: Fees | None, look: SignerView) -> _Ours:
        caps = self._rules.cancel_caps
        while fees is not None:
            attempt = sign_cancellation(self._signer, self._chain_id, nonce, fees)
            outcome = await self._send(attempt.raw)
            if outcome.has_it:
                self._say(
                    f"nonce {nonce}: {attempt.transaction_hash} cancels it, {fees.max_fee_wei} wei a gas"
                )
                return _Ours(
                    bid=attempt, taken_at_block=look.head.number, says="offered, and in no block yet"
                )
            if outcome.kind != "underpriced":
                return self._left(nonce, ours, outcome.says or outcome.kind)
            ours, fees = replace(ours, bid=attempt), _higher(attempt, caps)
        most = f"{caps.max_fee_wei} wei a gas, {caps.tip_wei} of them as a tip"
        return self._left(
            nonce, ours, f"it takes more than cancel_max_fee_gwei and max_tip_gwei allow: {most}"
        )

    def _left(self, nonce: int, ours: _Ours, says: str) -> _Ours:
        if says != ours.says:
            self._say(f"nonce {nonce}: {says}")
        return replace(ours, says=says)

    def _market(self, look: SignerView) -> FeeMarket:
        tip_wei = max(look.tip_wei, self._min_tip_wei)
        return FeeMarket(base_fee_wei=look.next_base_fee_wei, tip_wei=tip_wei)

    async def _send(self, raw: str) -> SendOutcome:
        """Send signed bytes to every node; one that accepts them is enough."""
        return joint([await node.send(raw) for node in self._nodes])


def _higher(refused: Attempt, caps: FeeCaps) -> Fees | None:
    """Raise both fees by a little more than a tenth above what no node accepted, each up to its cap; None where both are at it."""
    max_fee_wei = min(caps.max_fee_wei, Wei(refused.max_fee_wei * _MORE_PERCENT // 100 + 1))
    tip_wei = min(caps.tip_wei, Wei(refused.tip_wei * _MORE_PERCENT // 100 + 1), max_fee_wei)
    if (max_fee_wei, tip_wei) == (refused.max_fee_wei, refused.tip_wei):
        return None
    return Fees(max_fee_wei=max_fee_wei, tip_wei=tip_wei)
