"""A chain and the signer's judge without a broker, for tests of checks before anything is signed."""

import asyncio
from pathlib import Path

import pytest
from intents import attempt
from sender_house import SenderHouse

from pipeline.messages.journal import NO_CHARGE
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.nonces import ChainView, bind, new_account, reconcile
from pipeline.units import Address, ShardId
from streams.devnet.chain import Chain
from streams.devnet.world import World
from streams.submit.intent_form import check_form
from streams.submit.judge import Approved, Judge
from streams.submit.node import HttpSenderNode, SignerView
from streams.submit.signer_state import SignerState
from streams.submit.verdict import Refusal


class Bench(SenderHouse):
    """Checks intents as a signer does, with its earlier signed transactions waiting."""

    def __init__(self, chain: Chain, world: World, folder: Path) -> None:
        super().__init__("", chain, world, folder)

    async def _judge(
        self, intent: SubmitTransaction, shard: int, waiting: tuple[SubmitTransaction, ...]
    ) -> Approved:
        node = HttpSenderNode(self.chain.url, timeout_s=10)
        try:
            judge = Judge(node, self.limits, multicall=Address(self.world.multicall), stop_of=lambda _: None)
            look: SignerView = await node.look(await node.newest(), Address(self.owner), ())
            account = new_account(Address(self.owner), look.nonce)
            for number, each in enumerate(waiting, 1):
                account = bind(account, each, attempt(number), look.head, NO_CHARGE)
            view = ChainView(head=look.head, nonce=look.nonce, inclusions=look.inclusions)
            check_form(intent, ShardId(shard))
            return await judge.judge(intent, SignerState(account=reconcile(account, view)), look)
        finally:
            await node.close()

    def judge(
        self, intent: SubmitTransaction, shard: int = 0, *, waiting: tuple[SubmitTransaction, ...] = ()
    ) -> Approved:
        return asyncio.run(self._judge(intent, shard, waiting))

    def refusal(
        self, intent: SubmitTransaction, shard: int = 0, *, waiting: tuple[SubmitTransaction, ...] = ()
    ) -> Refusal:
        with pytest.raises(Refusal) as refused:
            self.judge(intent, shard, waiting=waiting)
        return refused.value
