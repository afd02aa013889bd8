"""Step 2: facts move pools, NFTs and balances, exactly; what cannot be right is set apart.

Nothing is written before the block's last log: an item that raises simply keeps its former value.
"""

from collections.abc import Iterable

import msgspec

from pipeline import keys
from pipeline.errors import ImpossibleFactError, MalformedLogError
from pipeline.inventory import Tracked
from pipeline.messages.base import RawLog
from pipeline.messages.entries import Allowance, Balance, Mined, NftPosition, Quarantine
from pipeline.messages.events import AllowanceRead, BlockSeen, NativeBalance
from pipeline.messages.facts import (
    Fact,
    LiquidityDecreased,
    LiquidityIncreased,
    NftCollected,
    NftTransferred,
    PoolFact,
    Swapped,
    TokensMoved,
    Unreadable,
)
from pipeline.messages.policy import ChainProfile
from pipeline.shard import Shard
from pipeline.units import NATIVE, Address, RawAmount, Seconds, TokenId
from pipeline.venues.uniswap_v3 import LivePool, apply_manager_fact
from pipeline.venues.wallet.token_logs import ZERO_ADDRESS, token_id_of
from pipeline.wants import followed_pools, policies, quarantined, resumes

Decoded = tuple[RawLog, Fact]


class _Block:
    """The working copies of one block."""

    def __init__(self, shard: Shard, chain: ChainProfile, now_s: Seconds) -> None:
        self.shard = shard
        self.chain = chain
        self.now_s = now_s
        self.pools = followed_pools(shard.tables)
        self.live: dict[Address, LivePool] = {}
        self.positions: dict[str, NftPosition | None] = {}
        self.balances: dict[str, int] = {}
        self.swaps: list[tuple[RawLog, Swapped]] = []
        self.failed: dict[str, str] = {}
        self.held = quarantined(shard.tables)

    def closed(self, item: str) -> bool:
        """Ask whether an item is not to be carried on, for what this block or an earlier one did."""
        return item in self.failed or item in self.held


def track(shard: Shard, event: BlockSeen, chain: ChainProfile, facts: Iterable[Decoded]) -> Tracked:
    """Apply a block's facts and reads, then write what they left."""
    block = _Block(shard, chain, event.block.timestamp_s)
    for log, fact in facts:
        item = _item_of(block, log)
        if not block.closed(item):
            _guarded(block, item, log, fact)
    return _write(block, event)


def _item_of(block: _Block, log: RawLog) -> str:
    """Name what a log can spoil: its pool, its NFT or its token."""
    if log.address in block.pools:
        return keys.pool(log.address)
    if log.address == block.chain.position_manager:
        token_id = token_id_of(log)
        if token_id is None:
            return keys.unreadable_position(log.address)
        return keys.position(log.address, token_id)
    return keys.token(log.address)


def _guarded(block: _Block, item: str, log: RawLog, fact: Fact) -> None:
    """Keep one item's trouble from the others; which items fail follows from the log alone."""
    try:
        _apply(block, log, fact)
    except Exception as error:  # noqa: BLE001 - whatever a step raises, only its item stops
        block.failed[item] = f"{type(error).__name__}: {error}"


def _apply(block: _Block, log: RawLog, fact: Fact) -> None:
    match fact:
        case Unreadable():
            raise MalformedLogError(fact.reason)
        case TokensMoved():
            _move_tokens(block, fact)
        case NftTransferred():
            _transfer_nft(block, fact)
        case LiquidityIncreased() | LiquidityDecreased() | NftCollected():
            _apply_to_nft(block, fact)
        case _:
            _apply_to_pool(block, log, fact)


# ------------------------------------------------------------------ pools
def _apply_to_pool(block: _Block, log: RawLog, fact: Fact) -> None:
    live = block.live.get(fact.address) or block.shard.live_pool(fact.address)
    if live is None:
        return  # not read yet: the read will contain it
    block.live[fact.address] = live
    live.apply(_pool_fact(fact), block.now_s)
    if isinstance(fact, Swapped):
        block.swaps.append((log, fact))


def _pool_fact(fact: Fact) -> PoolFact:
    assert isinstance(fact, PoolFact)
    return fact


# ------------------------------------------------------------------ NFTs
def _position(block: _Block, manager: Address, token_id: TokenId) -> tuple[str, NftPosition | None]:
    key = keys.position(manager, token_id)
    if key in block.positions:
        return key, block.positions[key]
    return key, block.shard.tables.find(key, NftPosition)


def _transfer_nft(block: _Block, fact: NftTransferred) -> None:
    key, position = _position(block, fact.address, fact.token_id)
    if position is None:
        return  # new here: read after the block
    burned = fact.recipient == ZERO_ADDRESS
    block.positions[key] = None if burned else msgspec.structs.replace(position, owner=fact.recipient)


def _apply_to_nft(block: _Block, fact: LiquidityIncreased | LiquidityDecreased | NftCollected) -> None:
    key, position = _position(block, fact.address, fact.token_id)
    if position is None or block.closed(keys.pool(position.pool)):
        return
    live = block.shard.live_pool(position.pool)
    if live is None:
        return
    used = live.positions.get((fact.address, position.tick_lower, position.tick_upper))
    if used is None:
        raise ImpossibleFactError(f"pool {position.pool} does not follow the range of NFT {fact.token_id}")
    block.positions[key] = apply_manager_fact(position, used, fact)


# ------------------------------------------------------------------ balances
def _move_tokens(block: _Block, fact: TokensMoved) -> None:
    for account, delta in ((fact.sender, -fact.amount), (fact.recipient, fact.amount)):
        key = keys.balance(account, fact.address)
        balance = block.shard.tables.find(key, Balance)
        if balance is None or block.closed(key):
            continue  # not followed, or not read yet
        amount = block.balances.get(key, balance.amount) + delta
        if amount < 0:
            block.failed[key] = f"ImpossibleFactError: a transfer of {fact.amount} leaves {amount}"
        else:
            block.balances[key] = amount


def _native_balances(block: _Block, event: BlockSeen) -> dict[str, Balance | None]:
    """A balance that the block does not tell is unknown: no log would have."""
    told = {
        read.account: Balance(amount=RawAmount(read.amount_wei))
        for read in event.reads
        if isinstance(read, NativeBalance)
    }
    accounts = {account for policy in policies(block.shard.tables) for account in policy.accounts}
    return {keys.balance(account, NATIVE): told.get(account) for account in sorted(accounts)}


def _write_own_transactions(shard: Shard, event: BlockSeen) -> None:
    """Keep what became of the books' transactions, and what spenders may still take."""
    for receipt in event.receipts:
        mined = Mined(
            succeeded=receipt.succeeded,
            gas_used=receipt.gas_used,
            effective_gas_price_wei=receipt.effective_gas_price_wei,
            at_block=event.block.number,
        )
        shard.tables.put(keys.receipt(receipt.transaction_hash), mined)
    told = {
        keys.allowance(read.owner, read.token, read.spender): Allowance(amount=read.amount)
        for read in event.reads
        if isinstance(read, AllowanceRead)
    }
    for policy in policies(shard.tables):
        for key, _ in list(shard.tables.group(keys.allowance.under(policy.owner), Allowance)):
            if key not in told:
                shard.tables.put(key, None)
    for key, allowance in told.items():
        shard.tables.put(key, allowance)


# ------------------------------------------------------------------ the block's end
def _write(block: _Block, event: BlockSeen) -> Tracked:
    """Write every item that did not fail."""
    _spread_failures(block)
    tables = block.shard.tables
    kept = {key: p for key, p in block.positions.items() if key not in block.failed}
    kept = {key: p for key, p in kept.items() if not _pool_failed(block, key, p)}
    balances: dict[str, Balance | None] = {
        key: Balance(amount=RawAmount(amount))
        for key, amount in block.balances.items()
        if key not in block.failed
    }
    balances |= _native_balances(block, event)
    tracked = Tracked(
        swaps=[(log, swap) for log, swap in block.swaps if keys.pool(swap.address) not in block.failed],
        quarantined=block.failed,
    )
    _write_pools(block)
    _write_own_transactions(block.shard, event)
    for key, value in (*kept.items(), *balances.items()):
        tables.put(key, value)
    for item, reason in block.failed.items():
        tables.put(
            keys.quarantine(item),
            Quarantine(reason=reason, at_block=event.block.number, resumed=resumes(tables, item)),
        )
    return tracked


def _write_pools(block: _Block) -> None:
    for address in sorted(block.live):
        if keys.pool(address) in block.failed:
            block.shard.drop_live([address])
        else:
            block.shard.store(block.live[address])


def _pool_failed(block: _Block, key: str, position: NftPosition | None) -> bool:
    former = position or block.shard.tables.find(key, NftPosition)
    return former is not None and keys.pool(former.pool) in block.failed


def _spread_failures(block: _Block) -> None:
    """A token whose log cannot be read spoils every balance of it; a failed item carries one reason."""
    for item in [i for i in block.failed if keys.token.matches(i)]:
        reason = block.failed.pop(item)
        (token,) = keys.token.parse(item)
        for key in _balances_of(block.shard, token):
            block.failed.setdefault(key, reason)


def _balances_of(shard: Shard, token: Address) -> Iterable[str]:
    accounts = {account for policy in policies(shard.tables) for account in policy.accounts}
    balances = (keys.balance(account, token) for account in sorted(accounts))
    return [key for key in balances if shard.tables.find(key, Balance) is not None]
