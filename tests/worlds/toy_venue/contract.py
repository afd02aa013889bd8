"""The toy venue's contract and its tokens on the chain in memory, whose answers follow from the logs of the requested branch."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from eth_abi.abi import encode
from fake_world import DOLLAR, FACTORY, MANAGER, OWNERS, WRAPPED, address, topic

from pipeline.messages.base import RawLog
from pipeline.messages.chain_profile import ChainProfile, PoolsAt, VenueContract, VenueSpec
from pipeline.messages.policy import Policy, TargetBand, TokenSpec, version_of
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, BookId, ChainId, PoolId, RawAmount
from pipeline.venues.abi import function
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC
from streams.node.fake import FakeChain, FakeLog, FakeTransaction
from streams.node.port import Header
from worlds.toy_venue.actions import DEPOSIT, TRADE
from worlds.toy_venue.forms import MOVED_TOPIC, TRADED_TOPIC, ToyPool, after
from worlds.toy_venue.half import KIND, POOL, SHARES

CONTRACT, STRANGER, NAME = address(0x7077), address(0x0F), "toys"
ID, OTHER_ID = PoolId(f"0x{0xB001:064x}"), PoolId(f"0x{0xB002:064x}")
OWNER = OWNERS[0]
ETHER, USD = 10**18, 10**6
APPROVED_TOPIC = f"0x{0x7003:064x}"
ALLOWANCE, APPROVE = function("tokens/ERC20", "allowance"), function("tokens/ERC20", "approve")
_GARBLED = "0x00"
HAD = {WRAPPED: 1_000 * ETHER, DOLLAR: 3_000_000 * USD}
"""What everybody had of the tokens in the beginning."""
EMPTY = ToyPool(
    token0=WRAPPED,
    token1=DOLLAR,
    weight0=3_000 * USD,
    weight1=ETHER,
    reserve0=RawAmount(0),
    reserve1=RawAmount(0),
    shares=0,
)


class ToyContract:
    """Keeps pools of ether and dollars at 3,000 for one, whatever their reserves are."""

    def __init__(self, chain: FakeChain) -> None:
        self.chain = chain
        chain.wei[OWNER] = lambda _: 0
        self.unknown: set[PoolId] = set()
        """Pools that nobody made."""
        self.donated = 0
        """Wei that every pool has and no log tells of."""
        answers = {POOL.selector: self._pool, SHARES.selector: self._shares}
        chain.contracts[CONTRACT] = lambda data, at: (
            answers[data[:4]](data, at) if data[:4] in answers else None
        )
        for token, decimals in ((WRAPPED, 18), (DOLLAR, 6)):
            chain.contracts[token] = self._token(token, decimals)

    # -------------------------------------------------------------- what can be asked
    def logs(self, at: Header) -> list[RawLog]:
        """All logs of the branch up to a block."""
        seen = (body.logs for header, body in self.chain.blocks() if header.block.number <= at.block.number)
        return [log for logs in seen for log in logs]

    def pool(self, pool: PoolId, at: Header) -> ToyPool:
        state = EMPTY
        for log in self.logs(at):
            if log.address == CONTRACT and log.topics[1] == pool and len(log.data) > len(_GARBLED):
                state = after(state, *_numbers(log.data))
        return msgspec.structs.replace(state, reserve0=RawAmount(state.reserve0 + self.donated))

    def shares(self, pool: PoolId, owner: Address, at: Header) -> int:
        moved = (log for log in self.logs(at) if log.address == CONTRACT and log.topics[0] == MOVED_TOPIC)
        return sum(_numbers(log.data)[2] for log in moved if log.topics[1:] == (pool, topic(owner)))

    def balance(self, token: Address, who: str, at: Header) -> int:
        moved = [log for log in self.logs(at) if log.address == token and log.topics[0] == TRANSFER_TOPIC]
        came = sum(int(log.data, 16) for log in moved if log.topics[2] == topic(who))
        return HAD[token] + came - sum(int(log.data, 16) for log in moved if log.topics[1] == topic(who))

    def allowed(self, token: Address, owner: str, spender: str, at: Header) -> int:
        told = (log for log in self.logs(at) if log.address == token and log.topics[0] == APPROVED_TOPIC)
        return (
            [0, *(int(log.data, 16) for log in told if log.topics[1:] == (topic(owner), topic(spender)))]
        )[-1]

    def _pool(self, data: bytes, at: Header) -> bytes | None:
        (raw,) = POOL.decode(data)
        if "0x" + raw.hex() in self.unknown:
            return None
        return encode(POOL.outputs, msgspec.structs.astuple(self.pool(PoolId("0x" + raw.hex()), at)))

    def _shares(self, data: bytes, at: Header) -> bytes:
        raw, owner = SHARES.decode(data)
        return encode(SHARES.outputs, [self.shares(PoolId("0x" + raw.hex()), owner, at)])

    def _token(self, token: Address, decimals: int) -> Callable[[bytes, Header], bytes | None]:
        balance_of, decimals_of = function("tokens/ERC20", "balanceOf"), function("tokens/ERC20", "decimals")

        def answer(data: bytes, at: Header) -> bytes | None:
            if data[:4] == decimals_of.selector:
                return encode(decimals_of.outputs, [decimals])
            if data[:4] == ALLOWANCE.selector:
                owner, spender = ALLOWANCE.decode(data)
                return encode(ALLOWANCE.outputs, [self.allowed(token, owner, spender, at)])
            if data[:4] == balance_of.selector:
                return encode(balance_of.outputs, [self.balance(token, balance_of.decode(data)[0], at)])
            return None

        return answer

    # -------------------------------------------------------------- what can be done
    def provide(self, owner: Address, ether: int, usd: int, pool: PoolId = ID) -> FakeTransaction:
        """Bring (negative: take) amounts; shares are issued by the value."""
        shares = ether * EMPTY.weight0 + usd * EMPTY.weight1
        log = FakeLog(
            address=CONTRACT, topics=(MOVED_TOPIC, pool, topic(owner)), data=_data(ether, usd, shares)
        )
        return FakeTransaction(sender=owner, to=CONTRACT, logs=(*_transfers(owner, ether, usd), log))

    def trade(self, ether: int, usd: int, pool: PoolId = ID, who: Address = STRANGER) -> FakeTransaction:
        """Let somebody pay (negative: take) amounts."""
        log = FakeLog(address=CONTRACT, topics=(TRADED_TOPIC, pool), data=_data(ether, usd))
        return FakeTransaction(sender=who, to=CONTRACT, logs=(*_transfers(who, ether, usd), log))

    def give(self, token: Address, amount: int) -> FakeTransaction:
        """Let a stranger send the owner tokens."""
        topics = (TRANSFER_TOPIC, topic(STRANGER), topic(OWNER))
        log = FakeLog(address=token, topics=topics, data=_data(amount))
        return FakeTransaction(sender=STRANGER, to=token, logs=(log,))

    def sent(self, intent: SubmitTransaction, *, succeeds: bool = True) -> FakeTransaction:
        """Do what an intent says, as its owner."""
        return self.called(intent.call.to, intent.call.data, succeeds=succeeds)

    def called(self, to: Address, calldata: str, *, succeeds: bool = True) -> FakeTransaction:
        """Do what calldata says, as the owner."""
        data = bytes.fromhex(calldata.removeprefix("0x"))
        logs: tuple[FakeLog, ...]
        if data[:4] == TRADE.selector:
            pool, ether, usd = TRADE.decode(data)
            paid, amount = (WRAPPED, ether) if ether > 0 else (DOLLAR, usd)
            assert self.allowed(paid, OWNER, CONTRACT, self.chain.head) >= amount or not succeeds, (
                "nobody may take that"
            )
            done = self.trade(ether, usd, PoolId("0x" + pool.hex()), who=OWNER)
            logs = (
                *done.logs,
                _approved(paid, self.allowed(paid, OWNER, CONTRACT, self.chain.head) - amount),
            )
        elif data[:4] == DEPOSIT.selector:
            pool, ether, usd = DEPOSIT.decode(data)
            left = [
                (token, self.allowed(token, OWNER, CONTRACT, self.chain.head) - amount)
                for token, amount in ((WRAPPED, ether), (DOLLAR, usd))
            ]
            assert all(amount >= 0 for _, amount in left) or not succeeds, "nobody may take that"
            done = self.provide(OWNER, ether, usd, PoolId("0x" + pool.hex()))
            logs = (*done.logs, *(_approved(*each) for each in left))
        else:
            spender, amount = APPROVE.decode(data)
            assert spender == CONTRACT
            logs = (_approved(to, amount),)
        return FakeTransaction(sender=OWNER, to=to, logs=logs if succeeds else (), succeeded=succeeds)

    def garbled(self, pool: PoolId = ID) -> FakeTransaction:
        """Emit a log of a known topic that is too short."""
        log = FakeLog(address=CONTRACT, topics=(TRADED_TOPIC, pool), data=_GARBLED)
        return FakeTransaction(sender=STRANGER, to=CONTRACT, logs=(log,))


def _approved(token: Address, amount: int) -> FakeLog:
    return FakeLog(
        address=token, topics=(APPROVED_TOPIC, topic(OWNER), topic(CONTRACT)), data=_data(max(amount, 0))
    )


def _data(*numbers: int) -> str:
    return "0x" + "".join(f"{number % 2**256:064x}" for number in numbers)


def _numbers(data: str) -> Sequence[int]:
    words = [int(data[at : at + 64], 16) for at in range(2, len(data) - 63, 64)]
    return [word - 2**256 if word >> 255 else word for word in words]


def _transfers(who: Address, ether: int, usd: int) -> tuple[FakeLog, ...]:
    moved = []
    for token, amount in ((WRAPPED, ether), (DOLLAR, usd)):
        ends = (who, CONTRACT) if amount >= 0 else (CONTRACT, who)
        moved.append(
            FakeLog(address=token, topics=(TRANSFER_TOPIC, *map(topic, ends)), data=_data(abs(amount)))
        )
    return tuple(moved)


def toy_policy(**changes: Any) -> Policy:
    """A book whose only pool is a toy."""
    spec = VenueSpec(name=NAME, kind=KIND, contracts=(VenueContract(role="pools", address=CONTRACT),))
    usual: dict[str, Any] = {
        "book": BookId("toy"),
        "chain": ChainProfile(
            chain_id=ChainId(31_337),
            wrapped_native=WRAPPED,
            position_manager=MANAGER,
            factory=FACTORY,
            final_depth_blocks=12,
            check_every_blocks=10,
            venues=(spec,),
        ),
        "owner": OWNER,
        "accounts": (OWNER,),
        "base": WRAPPED,
        "quote": DOLLAR,
        "tokens": (
            TokenSpec(address=WRAPPED, symbol="WETH", decimals=18),
            TokenSpec(address=DOLLAR, symbol="USDC", decimals=6),
        ),
        "pools": (ID,),
        "pools_at": (PoolsAt(venue=NAME, pools=(ID,)),),
        "reference_pool": ID,
        "publishes": (ID,),
        "strategy": TargetBand(),
    }
    made = Policy(**(usual | changes))
    return msgspec.structs.replace(made, policy_version=version_of(made))
