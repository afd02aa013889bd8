"""Faults of the chain, and operations on books meanwhile."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from chaos.books import POOLS_OF, WIDER, policy_of
from chaos.house import House

from pipeline.messages.events import HeadStalled, Resumed
from streams.devnet import actions, reads
from streams.devnet.transactions import Tx
from streams.node.blocking_rpc import RpcRefusedError

_FINAL_DEPTH = 65


# ------------------------------------------------------------------ reorgs
async def short_reorg(house: House) -> None:
    await _reorg_of_known_blocks(house, house.dice.randrange(1, 9))


async def deep_reorg(house: House) -> None:
    await _reorg_of_known_blocks(house, house.dice.randrange(9, 65))


async def _reorg_of_known_blocks(house: House, depth: int) -> None:
    """Take blocks away of which every shard's log holds one at least: what nobody recorded need not be undone.

    None that is final to a shard: its head was higher before another reorg, so the chain first has to be as long again.
    """

    async def is_long_enough() -> bool:
        newest = (await house.head()).number
        finals = (house.ledger.pages[shard].tables.final_block() for shard in house.ledger.booked)
        return all(final is None or final[0] <= newest - depth for final in finals)

    while not await is_long_enough():
        await house.blocks(1)
    async with house.standing_still():
        newest = (await house.head()).number

        def is_known() -> bool:
            heads = (house.ledger.pages[shard].tables.head for shard in house.ledger.booked)
            return all(head is not None and head.number > newest - depth for head in heads)

        await house.until(is_known, f"every log holds a block above {newest - depth}", logs_only=True)
        await house.on_chain(_reorg, house, depth)


def _reorg(house: House, depth: int) -> None:
    """Take blocks away; half of the time their transactions come again, half of the time a longer branch is there at once."""
    chain, dice = house.devnet.chain, house.dice
    newest = chain.header().number
    orphans = [tx for n in range(newest - depth + 1, newest + 1) for tx in _transactions(house, n)]
    chain.rollback(depth)
    if dice.random() < 0.5:
        _offer_again(house, orphans)
    if dice.random() < 0.5:
        for _ in range(depth + 1):
            house.next_block()


def _transactions(house: House, number: int) -> Sequence[dict[str, Any]]:
    block = house.devnet.chain.rpc("eth_getBlockByNumber", hex(number), True)
    return tuple(block["transactions"])


def _offer_again(house: House, orphans: Sequence[dict[str, Any]]) -> None:
    """Send the very transactions that were in the lost blocks: the same hashes come in other blocks."""
    fields = {"from", "to", "input", "value", "gas", "nonce", "maxFeePerGas", "maxPriorityFeePerGas"}
    for orphan in orphans:
        with suppress(RpcRefusedError):
            house.devnet.chain.rpc("eth_sendTransaction", {k: v for k, v in orphan.items() if k in fields})


async def too_deep_reorg(house: House) -> None:
    """Take away more than the shards can undo; they halt, and an operator lets them begin anew."""
    chain = house.devnet.chain
    depth = _FINAL_DEPTH + 5
    async with house.standing_still():
        await house.on_chain(lambda: [chain.mine() for _ in range(depth)])
        await house.settle()
        await house.on_chain(chain.reorg, depth)  # less of the chain alone would be a lag
    await house.until(
        lambda: all("halted" in house.ledger.pages[shard].tables.entries() for shard in house.ledger.booked),
        "the shards halted",
    )
    word = Resumed(scope="shard", reason="the chain was looked at", by="operator")
    for shard in range(len(house.ledger.pages)):
        await house.tell(shard, word)


async def stands_still(house: House) -> None:
    told = house.rules["a chain that stands still was told"]
    async with house.standing_still():
        await house.until(
            lambda: house.rules["a chain that stands still was told"] >= told + len(house.ledger.booked),
            f"every shard was told {HeadStalled.__name__}",
        )


# ------------------------------------------------------------------ policies
async def policy_changed(house: House) -> None:
    book = house.dice.choice(sorted(house.policies))
    await house.apply(policy_of(house.devnet.world, book, WIDER))
    await house.blocks(house.dice.randrange(1, 6))
    await house.apply(policy_of(house.devnet.world, book))


async def policy_removed(house: House) -> None:
    """Also of the only book of a shard, which then has nothing to follow."""
    book = house.dice.choice(sorted(house.policies))
    await house.remove(book)
    await house.blocks(house.dice.randrange(1, 6))
    await house.apply(policy_of(house.devnet.world, book))


async def policy_in_a_reorg(house: House) -> None:
    """Set a policy between the loss of a branch and the watcher's record of it, and again before the new branch is long."""
    world, dice = house.devnet.world, house.dice
    book = dice.choice(sorted(house.policies))
    depth = dice.randrange(2, 12)
    async with house.chain_lock:
        await asyncio.to_thread(house.devnet.chain.rollback, depth)
        await house.apply(policy_of(world, book, WIDER))
    await house.blocks(1)
    await house.on_chain(_reorg, house, depth)
    await house.remove(book)
    await house.on_chain(_reorg, house, 1)
    await house.apply(policy_of(world, book))


# ------------------------------------------------------------------ NFTs
async def nft_out_and_in(house: House) -> None:
    """An owner's NFT goes to a stranger and comes back, and the other way round."""
    stranger = house.devnet.world.accounts.spare[0]
    owner = house.dice.choice(house.owners)
    pool = house.devnet.world.pool(POOLS_OF[owner.book][0])
    theirs = house.strange_nfts[list(house.devnet.world.pools).index(pool.name)]
    mine = owner.token_ids[0]
    await _move(house, (owner.account, stranger, mine), (stranger, owner.account, theirs))
    await house.blocks(house.dice.randrange(2, 5))
    await _move(house, (stranger, owner.account, mine), (owner.account, stranger, theirs))


async def nft_on_a_lost_branch(house: House) -> None:
    """An NFT comes, another goes, and the branch on which they did goes away."""
    stranger = house.devnet.world.accounts.spare[0]
    owner = house.dice.choice(house.owners)
    theirs = house.dice.choice(house.strange_nfts)
    await _move(house, (owner.account, stranger, owner.token_ids[-1]), (stranger, owner.account, theirs))
    await house.blocks(house.dice.randrange(1, 4))
    await house.on_chain(house.devnet.chain.rollback, house.dice.randrange(5, 10))
    await house.blocks(2)
    await _move(house, (stranger, owner.account, owner.token_ids[-1]), (owner.account, stranger, theirs))


async def _move(house: House, *moves: tuple[str, str, int]) -> None:
    """Transfer what is with its sender just now."""

    def send() -> None:
        world, chain = house.devnet.world, house.devnet.chain
        txs: list[Tx] = [
            actions.transfer_nft(world, sender, recipient, token_id)
            for sender, recipient, token_id in moves
            if token_id in reads.token_ids(chain, world, sender)
        ]
        for tx in txs:
            chain.send(tx)
        house.next_block()

    await house.on_chain(send)
