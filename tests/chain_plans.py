"""A live book on a chain in the middle of a plan: shared by tests of plans on real bytecode."""

from chain_desk import ACTION, LIMITS, TERM, ChainDesk, book_on
from msgspec.structs import replace
from sender_house import block_ref

from pipeline.messages.decisions import PlanClosed
from pipeline.messages.events import BlocksReverted, CancellationSigned
from pipeline.messages.outcomes import AnyPlanOutcome
from pipeline.units import Hash
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from pipeline.venues.wallet.forms import Balance
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, position, range_around, read
from streams.devnet.transactions import Tx
from streams.devnet.world import World

ETHER, DOLLAR = 10**18, 10**6
NOWHERE = "0x" + "00" * 18 + "dead"


def desk_on(chain: Chain, world: World, name: str, on_stall: str, **limits: int) -> ChainDesk:
    """Make a live book with a position, tokens, an ether for gas, and an existing allowance."""
    pool, owner = world.pool(name), world.accounts.owners[0]
    ticks = range_around(chain, pool, -300, 300)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
    for token, kept in ((world.weth, ETHER), (world.usdc_of(pool), 3_000 * DOLLAR)):
        chain.execute(actions.transfer(token, owner, NOWHERE, balance(chain, token, owner) - kept))
    chain.rpc("anvil_setBalance", owner, hex(ETHER))
    book = book_on(
        world,
        pool,
        owner,
        action=replace(ACTION, on_stall=on_stall, stall_after_s=48),
        limits=replace(LIMITS, **limits),
    )
    desk = ChainDesk(chain, world, book)
    for _ in range(6):
        desk.block()
    return desk


def push(desk: ChainDesk, *, ether: int) -> None:
    """Let a trader sell, and mine a block."""
    pool, trader = desk.world.pools[pool_name(desk)], desk.world.accounts.traders[0]
    desk.block(actions.swap_exact_in(desk.world, trader, pool, desk.world.weth, ether * ETHER))


def buy(desk: ChainDesk, dollars: int) -> None:
    """Let a trader buy WETH in a block with the owner's next intent."""
    pool, trader = desk.world.pools[pool_name(desk)], desk.world.accounts.traders[0]
    usdc = desk.world.usdc_of(pool)
    desk.block(actions.swap_exact_in(desk.world, trader, pool, usdc, dollars * DOLLAR))


def pool_name(desk: ChainDesk) -> str:
    (name,) = (n for n, pool in desk.world.pools.items() if pool.address == desk.book.reference_pool)
    return name


def until_pending(desk: ChainDesk, step: str) -> None:
    for _ in range(12):
        if step in [intent.step for intent in desk.pending]:
            return
        desk.block()
    raise AssertionError(f"no {step} came: {[type(o).__name__ for o in desk.outputs[-6:]]}")


def until_closed(desk: ChainDesk) -> AnyPlanOutcome:
    for _ in range(30):
        if desk.said(PlanClosed):
            break
        desk.block()
    return desk.said(PlanClosed)[0].outcome


def liquid(desk: ChainDesk) -> list[NftPosition]:
    manager = desk.world.position_manager
    return [
        held
        for key, held in desk.shard.tables.group(f"position/{manager}", NftPosition)
        if held.liquidity and position(desk.chain, desk.world, int(key.rpartition("/")[2])).liquidity
    ]


def allowances(desk: ChainDesk) -> list[int]:
    spenders = desk.world.router, desk.world.position_manager
    return [
        read(desk.chain, token, "tokens/ERC20", "allowance", desk.book.owner, spender)
        for token in (desk.book.base, desk.book.quote)
        for spender in spenders
    ]


def is_tracked(desk: ChainDesk) -> bool:
    """Assert that the shard's wallet balances equal the chain's."""
    return all(
        desk.shard.tables.need(f"balance/{desk.book.owner}/{token.address}", Balance).amount
        == balance(desk.chain, token.address, desk.book.owner)
        for token in desk.book.tokens
    )


def undo(desk: ChainDesk, depth: int) -> None:
    """Replace the newest blocks by empty ones."""
    ancestor = block_ref(desk.chain.header(desk.chain.header().number - depth))
    desk.pending.clear()
    desk.chain.reorg(depth)
    desk.append(BlocksReverted(term=TERM, to=ancestor, reverted=()))


def cancel_all(desk: ChainDesk) -> list[str]:
    """Cancel all waiting transactions as the signer does: a payment of zero to the owner uses up each nonce."""
    cancellations = []
    lost = [
        intent
        for intent in desk.done
        if desk.chain.rpc("eth_getTransactionReceipt", desk.hashes[intent.digest]) is None
    ]
    for intent in lost:
        tx_hash = desk.chain.send(Tx(sender=intent.owner, to=intent.owner, data="0x", gas=21_000))
        desk.append(CancellationSigned(intent=intent.digest, nonce=0, transaction_hash=Hash(tx_hash)))
        cancellations.append(tx_hash)
    desk.block()
    return cancellations
