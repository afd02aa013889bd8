"""A watcher that is far behind requests receipts only of blocks that may concern a shard, and misses none."""

import random
from collections.abc import Callable

import pytest
from fake_world import DOLLAR, MANAGER, OWNERS, POOLS, STRANGER, WRAPPED, FakeWorld, fake_policy, topic
from msgspec.structs import replace
from rigs import TIMING, Rig

from pipeline.follow.log_filter import LogFilter, log_filter, select, select_receipts
from pipeline.follow.routes import follow
from pipeline.messages.events import BlockSeen, PolicySet
from pipeline.state.tables import Tables
from pipeline.units import Address, ShardId, Term
from pipeline.venues.uniswap_v3.topics import INCREASE_LIQUIDITY_TOPIC
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC
from streams.node.fake import FakeChain, FakeLog, FakeTransaction
from streams.node.multicall import MULTICALL3
from streams.node.port import BodyScope, Header
from streams.watch.blocks_seen import blocks_seen
from streams.watch.prefetch import _MOST_BLOCKS, _MOST_BODIES, Block, Prefetch
from streams.watch.quiet_blocks import QuietTest, accounts_over
from streams.watch.scopes import scope_of

ELSEWHERE = Address("0x" + "e1" * 20)
"""A contract that no book knows."""
QUIET = replace(TIMING, batch_blocks=64)


def noise(rng: random.Random) -> FakeTransaction:
    """Let a stranger do what concerns nobody."""
    topics = (TRANSFER_TOPIC, topic(STRANGER), topic(rng.choice([STRANGER, ELSEWHERE])))
    at = rng.choice([ELSEWHERE, WRAPPED, DOLLAR])
    return FakeTransaction(sender=STRANGER, to=at, logs=(FakeLog(address=at, topics=topics, data=topic(1)),))


def act(world: FakeWorld, rng: random.Random, owner: Address) -> FakeTransaction:
    """Let something happen that a shard with this owner's book must see."""
    sent = (TRANSFER_TOPIC, topic(STRANGER), topic(owner))
    return rng.choice(
        [
            world.swap(POOLS[0]),
            world.move_nft(rng.randrange(1, 9), STRANGER, owner, by=STRANGER),
            FakeTransaction(
                sender=STRANGER, to=DOLLAR, logs=(FakeLog(address=DOLLAR, topics=sent, data=topic(5)),)
            ),
            FakeTransaction(sender=owner, to=ELSEWHERE, succeeded=False),
        ]
    )


def mine_some(world: FakeWorld, rng: random.Random, blocks: int, *, busy: float) -> None:
    for _ in range(blocks):
        done = [noise(rng) for _ in range(rng.randrange(3))]
        if rng.random() < busy:
            done.insert(rng.randrange(len(done) + 1), act(world, rng, rng.choice(OWNERS[:2])))
        world.chain.mine(*done)


def coin_of(owner: Address, chain: FakeChain) -> Callable[[Header], int]:
    """Pay for each transaction, as a chain would."""
    return lambda header: 10**18 - chain._sent[header.block.hash][owner]


def quiet_rig(partitions: int = 2) -> Rig:
    rig = Rig(partitions, timing=QUIET)
    for owner in OWNERS:
        rig.chain.wei[owner] = coin_of(owner, rig.chain)
    return rig


@pytest.mark.parametrize("seed", range(6))
async def test_a_log_that_was_caught_up_is_the_chain(seed: int) -> None:
    rng = random.Random(seed)
    async with quiet_rig() as rig:
        for shard, owner in enumerate(OWNERS[:2]):
            await rig.append(shard, PolicySet(policy=fake_policy(f"b{shard}", owner, check_every_blocks=100)))
        task = rig.start()
        await rig.settled()
        await rig.kill(task)
        mine_some(rig.world, rng, 400, busy=rng.choice([0.0, 0.02, 0.6]))
        if seed % 2:
            rig.chain.contracts[OWNERS[0]] = lambda _, __: (
                b""
            )  # with code it may spend in anybody's transaction
        rig.chain.questions.clear()
        rig.start("other")
        await rig.settled()
        for shard in range(2):
            fold = rig.check(shard)
            assert len(fold.of(BlockSeen)) >= 400


async def test_what_happened_in_quiet_blocks_is_not_asked_for() -> None:
    async with quiet_rig(1) as rig:
        await rig.append(0, PolicySet(policy=fake_policy("one", OWNERS[0], check_every_blocks=1_000)))
        task = rig.start()
        await rig.settled()
        await rig.kill(task)
        mine_some(rig.world, random.Random(1), 600, busy=0)
        rig.chain.mine(rig.world.swap(POOLS[0]))
        mine_some(rig.world, random.Random(2), 600, busy=0)
        asked: list[int] = []
        bodies = rig.chain.bodies

        async def counted(headers, scope):
            asked.extend(header.block.number for header in headers)
            return await bodies(headers, scope)

        rig.chain.bodies = counted  # type: ignore[method-assign]
        rig.chain.questions.clear()
        rig.start("other")
        await rig.settled()
        rig.check()
        swapped = [
            h.block.number for h, b in rig.chain.blocks() if any(x.address == POOLS[0] for x in b.logs)
        ]
        assert len(swapped) == 1
        assert set(swapped) <= set(asked)
        assert len(asked) < 60  # blooms are right about nearly all of them
        assert rig.chain.questions.count("native_balances") < 30


async def test_an_nft_that_came_while_blocks_were_on_their_way_is_followed() -> None:
    """What was fetched for what a shard followed before is asked for again, by what it follows now."""
    async with quiet_rig(1) as rig:
        await rig.append(0, PolicySet(policy=fake_policy("one", OWNERS[0], check_every_blocks=1_000)))
        task = rig.start()
        await rig.settled()
        await rig.kill(task)
        for nft in range(1, 30):
            rig.chain.mine(rig.world.move_nft(nft, STRANGER, OWNERS[0], by=STRANGER))
            mine_some(rig.world, random.Random(nft), 9, busy=0)
            more = FakeLog(address=MANAGER, topics=(INCREASE_LIQUIDITY_TOPIC, topic(nft)), data=topic(1) * 3)
            rig.chain.mine(FakeTransaction(sender=STRANGER, to=MANAGER, logs=(more,)))
            rig.chain.mine(rig.world.move_nft(nft, OWNERS[0], STRANGER, by=STRANGER))
        rig.start("other")
        await rig.settled()
        told = [log for event in rig.check().branch for log in event.logs if log.address == MANAGER]
        assert told == [log for _, body in rig.chain.blocks() for log in body.logs if log.address == MANAGER]


def filter_of(owner: Address) -> LogFilter:
    tables = Tables()
    follow(tables, PolicySet(policy=fake_policy("one", owner)))
    mine = log_filter(tables)
    assert mine is not None
    return mine


@pytest.mark.parametrize("seed", range(4))
async def test_no_block_that_concerns_a_shard_is_called_quiet(seed: int) -> None:
    chain = FakeChain()
    world = FakeWorld(chain)
    for owner in OWNERS:
        chain.wei[owner] = coin_of(owner, chain)
    mine_some(world, random.Random(seed), 300, busy=0.3)
    mine = filter_of(OWNERS[0])
    quiet = 0
    for header, body in chain.blocks()[1:]:
        sent = {receipt.sender for receipt in body.receipts}
        concerns = select(mine, body.logs) or select_receipts(mine, body.receipts)
        if QuietTest(mine).is_quiet(header, mine.senders - sent):
            quiet += 1
            assert not concerns
        if sent & mine.senders:
            assert not QuietTest(mine).is_quiet(header, frozenset())
    assert quiet > 100


@pytest.mark.parametrize("seed", range(8))
async def test_accounts_had_what_is_told_without_asking_and_sent_nothing(seed: int) -> None:
    chain = FakeChain()
    world = FakeWorld(chain)
    for owner in OWNERS:
        chain.wei[owner] = coin_of(owner, chain)
    chain.contracts[OWNERS[1]] = lambda _, __: b""
    chain.wei[OWNERS[1]] = lambda header: header.block.number % 2  # as only code can
    mine_some(world, random.Random(seed), 60, busy=0.02)
    blocks = chain.blocks()[1:]
    for at in range(0, 60, 20):
        part = blocks[at : at + 20]
        known = await accounts_over(chain, OWNERS[:2], OWNERS, [header for header, _ in part])
        for (header, body), told in zip(part, known, strict=True):
            assert told.native_wei == {owner: chain.wei[owner](header) for owner in OWNERS[:2]}
            assert not told.silent & {receipt.sender for receipt in body.receipts}
            assert OWNERS[2] in told.silent  # it never sent anything
    chain.keeps_states = 10
    known = await accounts_over(chain, OWNERS[:1], OWNERS, [header for header, _ in blocks[:20]])
    assert all(not told.silent and told.native_wei == {OWNERS[0]: None} for told in known)


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_that_concerns_a_shard_is_outside_the_scope_of_all(seed: int) -> None:
    chain = FakeChain()
    mine_some(FakeWorld(chain), random.Random(seed), 100, busy=0.5)
    shards = [filter_of(owner) for owner in OWNERS[:2]]
    scope, concerns, left_out = scope_of(shards), 0, 0
    for mine in shards:
        assert mine.emitters() == frozenset().union(*(words.addresses for words in mine.words()))
    for _, body in chain.blocks():
        kept = body.within(scope)
        left_out += len(body.logs) - len(kept.logs)
        for mine in shards:
            found = select(mine, body.logs), select_receipts(mine, body.receipts)
            assert found == (select(mine, kept.logs), select_receipts(mine, kept.receipts))
            concerns += len(found[0]) + len(found[1])
    assert concerns > 30
    assert left_out > 10


async def test_a_body_without_what_a_shard_follows_by_now_is_asked_for_again() -> None:
    rig = quiet_rig(1)
    paid = FakeLog(address=DOLLAR, topics=(TRANSFER_TOPIC, topic(STRANGER), topic(OWNERS[0])), data=topic(5))
    rig.chain.mine(FakeTransaction(sender=OWNERS[0], to=DOLLAR, logs=(paid,)))
    header, whole = rig.chain.blocks()[-1]
    tables = Tables()
    follow(tables, PolicySet(policy=fake_policy("one", OWNERS[0])))
    narrow = whole.within(BodyScope(emitters=frozenset({ELSEWHERE}), senders=frozenset()))
    told = []
    for body in (whole, narrow):
        rig.chain.questions.clear()
        told += await blocks_seen(tables, rig.chain, [Block(header, body, {})], Term(1), multicall=MULTICALL3)
        assert ("bodies" in rig.chain.questions) == (body is narrow)
    assert told[0] == told[1]
    assert len(told[0].logs) == len(told[0].receipts) == 1


async def test_no_header_without_a_proof_is_called_quiet() -> None:
    mine = filter_of(OWNERS[0])
    header = FakeChain().mine()
    assert QuietTest(mine).is_quiet(header, frozenset())
    assert not QuietTest(mine).is_quiet(replace(header, is_bloom_proven=False), frozenset())


async def test_no_more_bodies_are_kept_than_before() -> None:
    chain = FakeChain()
    world = FakeWorld(chain)
    mine_some(world, random.Random(1), 6 * _MOST_BLOCKS, busy=0)
    for _ in range(4 * _MOST_BODIES):
        chain.mine(world.swap(POOLS[0]))
    prefetch = Prefetch(chain)
    prefetch.ask_for(ShardId(0), (), filter_of(OWNERS[0]))
    head = chain.blocks()[0][0].block
    try:
        longest = 0
        while head != chain.head.block:
            blocks = await prefetch.after(head, chain.head)
            longest = max(longest, len(blocks))
            assert sum(block.body is not None for block in blocks) <= _MOST_BODIES
            head = blocks[-1].header.block
        assert longest == _MOST_BLOCKS
    finally:
        await prefetch.close()
