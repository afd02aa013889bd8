"""Transactions that wait because blocks require higher fees: the signer bumps them within its cap, or cancels them.

anvil forgets a transaction that the block it is mining cannot take, so what waits is given to it again.
"""

from contextlib import suppress

from chain_desk import ChainDesk, on_the_wire

from pipeline.errors import DevnetError
from pipeline.messages.events import CancellationSigned
from pipeline.messages.journal import Attempt
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import FeeMarket, bumped_fees, first_fees
from pipeline.units import BlockNumber, Hash, Wei
from streams.devnet.chain import next_base_fee_wei
from streams.devnet.transactions import TIP_WEI, Tx

_LAST = 20
"""So many of the newest may wait."""


class Stuck:
    """Sees before each block to what is in none."""

    def __init__(self, desk: ChainDesk) -> None:
        self.desk, self.rules = desk, desk.limits.fees
        self.since: dict[str, BlockNumber] = {}
        """Of each intent that had to wait: the block after which its newest version was sent."""
        self.cancelled: dict[str, str] = {}
        """Of each intent that is given up: the hash of what is to use up its nonce."""

    def see_to(self) -> None:
        """Offer more for what has waited for too long, within its cap, or take its nonce for nothing."""
        head = self.desk.chain.header()
        market = FeeMarket(base_fee_wei=Wei(next_base_fee_wei(head)), tip_wei=Wei(TIP_WEI))
        for intent in self.desk.done[-_LAST:]:
            if self._is_mined(intent):
                continue
            since = self.since.setdefault(intent.digest, BlockNumber(head.number - 1))
            is_stuck = head.number - since >= self.rules.bump_after_blocks
            pointless = head.timestamp_s > intent.deadline_s or intent.after in self.cancelled
            cancels = intent.digest in self.cancelled or pointless
            cancels = cancels or (is_stuck and first_fees(market, self.rules.caps(intent)) is None)
            if is_stuck or (pointless and intent.digest not in self.cancelled):
                self._replace(intent, market, cancels=cancels)
            else:
                with suppress(DevnetError):  # the next block asks more, or the node has it
                    self.desk.chain.rpc("eth_sendTransaction", self.desk.offers[intent.digest])

    def _is_mined(self, intent: SubmitTransaction) -> bool:
        hashes = (self.desk.hashes[intent.digest], self.cancelled.get(intent.digest))
        return any(
            self.desk.chain.rpc("eth_getTransactionReceipt", each) is not None for each in hashes if each
        )

    def _replace(self, intent: SubmitTransaction, market: FeeMarket, *, cancels: bool) -> None:
        before = self.desk.offers[intent.digest]
        last = Attempt(
            transaction_hash=Hash(""),
            raw="",
            max_fee_wei=Wei(int(before["maxFeePerGas"], 16)),
            tip_wei=Wei(int(before["maxPriorityFeePerGas"], 16)),
            gas_limit=intent.call.gas_limit,
        )
        fees = bumped_fees(last, market, self.rules.cancel_caps if cancels else self.rules.caps(intent))
        if fees is None:
            return
        self.since[intent.digest] = BlockNumber(self.desk.chain.header().number)
        if not cancels:
            self.desk.offer(intent, fees, before["nonce"])
            return
        payment = Tx(sender=intent.owner, to=intent.owner, gas=self.rules.cancel_gas).request()
        self.desk.offers[intent.digest] = {**payment, **on_the_wire(fees), "nonce": before["nonce"]}
        tx_hash = self.desk.chain.rpc("eth_sendTransaction", self.desk.offers[intent.digest])
        self.cancelled[intent.digest] = tx_hash
        self.desk.append(CancellationSigned(intent=intent.digest, nonce=0, transaction_hash=Hash(tx_hash)))
