"""A signer's memory on a real broker whose topics are deleted, recreated, or have another number of partitions."""

import asyncio
import itertools

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from intents import intent
from kafka_logs import append
from signer_stage import LIMITS, ROUTER, SIGNER, TIMING, WETH

from pipeline.errors import JournalError, MemoryLostError, TopicError
from pipeline.messages.transactions import SubmitTransaction
from pipeline.venues.abi import function
from streams.kafka.access import KafkaAccess
from streams.kafka.codec import encode
from streams.kafka.topics import INTENTS, NONCES, TOPICS, Topic, check_copies, ensure_topics
from streams.submit.fake_node import FAKE_CHAIN, FakeSenderNode, FakeSigner
from streams.submit.inbox import KafkaInbox
from streams.submit.journal import KafkaJournal, KafkaReports
from streams.submit.journal_commands import begin_journal, skip_intents
from streams.submit.serve import Submit

pytestmark = pytest.mark.kafka


class Deployment:
    """A signer's processes on a chain in memory and a broker that is real."""

    def __init__(self, bootstrap: str) -> None:
        self.kafka = KafkaAccess(bootstrap)
        self.chain_id = FAKE_CHAIN
        self.signer = FakeSigner(SIGNER)
        self.node = FakeSenderNode()
        self._numbers = itertools.count(1)

    async def begin(self, partitions: int = 2) -> None:
        await ensure_topics(self.kafka, self.chain_id, partitions)
        await begin_journal(
            self.kafka, self.chain_id, partitions=partitions, node=self.node, signer=self.signer
        )

    async def serve(self, steps: int = 0, partitions: int = 2, *, comes: bool = True, **changes) -> None:
        """Run a process for some steps, with what has come by then: something, if steps are asked for."""
        submit = Submit(
            self.node,
            KafkaJournal(self.kafka, self.chain_id, SIGNER),
            KafkaReports(self.kafka, self.chain_id),
            KafkaInbox(self.kafka, self.chain_id),
            chain_id=FAKE_CHAIN,
            partitions=partitions,
            signer=self.signer,
            limits=LIMITS,
            timing=TIMING,
            **changes,
        )
        try:
            await submit.open()
            for step in range(steps):
                await submit._inbox.news(60 if comes and not step else 2)
                await submit.step()
        finally:
            await submit.close()

    async def ask(self, again: SubmitTransaction | None = None) -> SubmitTransaction:
        number = next(self._numbers)
        wanted = again or intent(
            digest=number,
            offset=number,
            made_at=self.node.blocks[-1].ref,
            to=WETH,
            data=function("tokens/ERC20", "approve").calldata(ROUTER, number),
            position=f"position/{number}",
        )
        await append(self.kafka.bootstrap, INTENTS.on(self.chain_id), 0, [encode(wanted)])
        return wanted

    def times_done(self, wanted: SubmitTransaction) -> int:
        return sum(tx.data == wanted.call.data for tx in self.node.effects())

    async def make_again(self, *topics: Topic, partitions: int = 2) -> None:
        admin = AIOKafkaAdminClient(**self.kafka.client())
        await admin.start()
        names = {topic.on(self.chain_id) for topic in topics}
        try:
            await admin.delete_topics(list(names))
            async with asyncio.timeout(90):
                while names & set(await admin.list_topics()):  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(0.1)
        finally:
            await admin.close()
        await ensure_topics(self.kafka, self.chain_id, partitions)


@pytest.fixture
def deployment(own_broker) -> Deployment:
    """A broker of each test's own: the node in memory knows one chain, and so its topics have one name."""
    return Deployment(own_broker.bootstrap_servers)


async def test_a_journal_that_was_made_again_lets_nothing_be_done_twice(deployment):
    await deployment.begin()
    wanted = await deployment.ask()
    await deployment.serve(steps=2)
    deployment.node.mine()
    assert deployment.times_done(wanted) == 1

    await deployment.make_again(NONCES)
    for _ in range(2):
        with pytest.raises(MemoryLostError, match="is empty, but its account has sent 6 transactions"):
            await deployment.serve()
    await deployment.serve(steps=2, comes=False, new_signer=True)
    deployment.node.mine()
    assert deployment.times_done(wanted) == 1
    later = await deployment.ask()
    await deployment.serve(steps=2)
    deployment.node.mine()
    assert deployment.times_done(later) == 1


async def test_intents_that_were_made_again_halt_until_they_are_passed_over(deployment):
    await deployment.begin()
    wanted = [await deployment.ask() for _ in range(2)]
    await deployment.serve(steps=2)
    deployment.node.mine()
    await deployment.make_again(INTENTS)
    with pytest.raises(JournalError, match=r"it ends at 0, and was read to 2.*--skip-intents"):
        await deployment.serve()
    for each in reversed(wanted):
        await deployment.ask(each)
    with pytest.raises(JournalError, match="another record stands at 1"):
        await deployment.serve()
    await skip_intents(deployment.kafka, FAKE_CHAIN, deployment.signer, 2)
    later = await deployment.ask()
    await deployment.serve(steps=2)
    deployment.node.mine()
    assert [deployment.times_done(each) for each in (*wanted, later)] == [1, 1, 1]


async def test_the_journal_outlives_another_number_of_shards(deployment):
    await deployment.begin()
    wanted = await deployment.ask()
    await deployment.serve(steps=2)
    deployment.node.mine()
    others = [topic for topic in TOPICS.values() if topic is not NONCES]
    await deployment.make_again(*others, partitions=5)
    with pytest.raises(JournalError, match=r"has read 2 partitions of intents\.v1, which has 5"):
        await deployment.serve(partitions=5)
    await deployment.ask(wanted)
    await skip_intents(deployment.kafka, FAKE_CHAIN, deployment.signer, 5)
    later = await deployment.ask()
    await deployment.serve(steps=2, partitions=5)
    deployment.node.mine()
    assert [deployment.times_done(each) for each in (wanted, later)] == [1, 1]


async def test_one_copy_on_the_only_broker_is_warned_of(deployment):
    await ensure_topics(deployment.kafka, FAKE_CHAIN, 1)
    said = await check_copies(deployment.kafka, FAKE_CHAIN)
    assert said is not None
    assert said.startswith(f"{NONCES.on(FAKE_CHAIN)} has one copy, on the only broker")
    with pytest.raises(TopicError):
        await check_copies(KafkaAccess("127.0.0.1:1"), FAKE_CHAIN)
