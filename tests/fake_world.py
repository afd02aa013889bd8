"""Contracts on the chain in memory: pools whose state is their block's number, tokens, and NFTs that logs move."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from eth_abi.abi import decode, encode

from pipeline.messages.chain_profile import ChainProfile
from pipeline.messages.policy import Policy, TargetBand, TokenSpec, version_of
from pipeline.units import Address, BookId, ChainId
from pipeline.venues import abi
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3 import SWAP_TOPIC
from pipeline.venues.wallet.token_logs import TRANSFER_TOPIC, ZERO_ADDRESS
from streams.node.fake import FakeChain, FakeLog, FakeTransaction
from streams.node.fake_tokens import Contract
from streams.node.multicall import MULTICALL3
from streams.node.port import Header


def address(number: int) -> Address:
    return Address(f"0x{number:040x}")


WRAPPED, DOLLAR = address(0xA0), address(0xB0)
POOLS = (address(0x901), address(0x902))
MANAGER, FACTORY = address(0x3A), address(0xFA)
OWNERS = (address(0x01), address(0x02), address(0x03))
STRANGER = address(0x0F)
SPACING = 60
Q96 = 2**96
Function = Callable[..., Sequence[Any] | None]


def topic(value: int | str) -> str:
    return f"0x{int(value, 16) if isinstance(value, str) else value:064x}"


def price_at(number: int) -> int:
    return Q96 + number


def balance_at(number: int, account: str) -> int:
    return 10**18 + 1_000 * number + int(account, 16)


def _decimals(decimals: int, _: Header) -> tuple[int]:
    return (decimals,)


def _wei_of(owner: str, at: Header) -> int:
    return int(owner, 16) * 10**18 - at.block.number


class FakeWorld:
    """Contracts on a chain in memory, and the transactions that change them."""

    def __init__(self, chain: FakeChain) -> None:
        self.chain = chain
        self.broken: set[str] = set()
        """Contracts that revert whatever they are asked."""
        for pool in POOLS:
            chain.contracts[pool] = self._contract("uniswap-v3/UniswapV3Pool", pool, _pool_functions())
        for token, decimals in ((WRAPPED, 18), (DOLLAR, 6)):
            functions: dict[str, Function] = {
                "decimals": partial(_decimals, decimals),
                "balanceOf": lambda at, who: (balance_at(at.block.number, who),),
            }
            chain.contracts[token] = self._contract("tokens/ERC20", token, functions)
        chain.contracts[FACTORY] = self._contract(
            "uniswap-v3/UniswapV3Factory", FACTORY, {"getPool": lambda _, *key: (POOLS[key[2] != 500],)}
        )
        chain.contracts[MANAGER] = self._contract(
            "uniswap-v3/NonfungiblePositionManager",
            MANAGER,
            {
                "balanceOf": lambda at, who: (len(self.owned(at, who)),),
                "tokenOfOwnerByIndex": lambda at, who, index: (self.owned(at, who)[index],),
                "ownerOf": lambda at, nft: self._of(at, nft, lambda owner: (owner,)),
                "positions": lambda at, nft: self._of(at, nft, lambda _: _position(at, nft)),
            },
        )
        chain.contracts[MULTICALL3] = self._multicall
        for owner in OWNERS:
            chain.wei[owner] = partial(_wei_of, owner)

    # -------------------------------------------------------------- what can be asked
    def owners(self, at: Header) -> dict[int, str]:
        """Return the owner of each NFT after a block, from the logs of its branch."""
        found: dict[int, str] = {}
        for header, body in self.chain.blocks():
            if header.block.number > at.block.number:
                break
            for log in body.logs:
                if log.address == MANAGER and log.topics[0] == TRANSFER_TOPIC:
                    found[int(log.topics[3], 16)] = "0x" + log.topics[2][-40:]
        return {nft: owner for nft, owner in found.items() if owner != ZERO_ADDRESS}

    def owned(self, at: Header, owner: str) -> list[int]:
        return sorted(nft for nft, who in self.owners(at).items() if who == owner)

    def _of(self, at: Header, nft: int, tell: Function) -> Sequence[Any] | None:
        owner = self.owners(at).get(nft)
        return None if owner is None else tell(owner)

    def _contract(self, contract: str, where: str, functions: dict[str, Function]) -> Contract:
        by_selector: dict[bytes, tuple[abi.Function, Function]] = {
            function(contract, name).selector: (function(contract, name), tell)
            for name, tell in functions.items()
        }

        def answer(data: bytes, at: Header) -> bytes | None:
            if where in self.broken or data[:4] not in by_selector:
                return None
            called, tell = by_selector[data[:4]]
            values = tell(at, *called.decode(data))
            return None if values is None else encode(called.outputs, values)

        return answer

    def _multicall(self, data: bytes, at: Header) -> bytes | None:
        get_balance = function("multicall/Multicall3", "getEthBalance")
        if data[:4] == get_balance.selector:
            (who,) = get_balance.decode(data)
            return encode(["uint256"], [self.chain.wei[who](at)])
        (calls,) = decode(["(address,bool,bytes)[]"], data[4:])
        answers = []
        for to, _, inner in calls:
            contract = self.chain.contracts.get(to)
            answers.append(contract(inner, at) if contract else b"")
        results = [(answer is not None, answer or b"") for answer in answers]
        return encode(["(bool,bytes)[]"], [results])

    # -------------------------------------------------------------- what can be done
    def move_nft(self, nft: int, sender: str, recipient: str, *, by: str | None = None) -> FakeTransaction:
        """Transfer an NFT; `by` is the transaction's sender, if it is not the NFT's owner."""
        topics = (TRANSFER_TOPIC, topic(sender), topic(recipient), topic(nft))
        return FakeTransaction(
            sender=Address(by or sender), to=MANAGER, logs=(FakeLog(address=MANAGER, topics=topics),)
        )

    def swap(self, pool: Address, sender: Address = STRANGER) -> FakeTransaction:
        topics = (SWAP_TOPIC, topic(sender), topic(sender))
        moved = (TRANSFER_TOPIC, topic(sender), topic(pool))
        return FakeTransaction(
            sender=sender,
            to=pool,
            logs=(
                FakeLog(address=WRAPPED, topics=moved, data=topic(7)),
                FakeLog(address=pool, topics=topics, data="0x" + "00" * 160),
            ),
        )


def _pool_functions() -> dict[str, Function]:
    ticks = (-SPACING * 300, -SPACING, SPACING)
    words: dict[int, int] = {}
    for tick in ticks:
        word, bit = divmod(tick // SPACING, 256)
        words[word] = words.get(word, 0) | 1 << bit
    return {
        "token0": lambda _: (WRAPPED,),
        "token1": lambda _: (DOLLAR,),
        "fee": lambda _: (500,),
        "tickSpacing": lambda _: (SPACING,),
        "slot0": lambda at: (price_at(at.block.number), 0, 1, 2, 3, 0x54, True),
        "liquidity": lambda at: (at.block.number,),
        "feeGrowthGlobal0X128": lambda at: (2**256 - 1 - at.block.number,),
        "feeGrowthGlobal1X128": lambda at: (at.block.number,),
        "protocolFees": lambda _: (1, 2),
        "tickBitmap": lambda _, word: (words.get(word, 0),),
        "ticks": lambda at, tick: (5, tick, at.block.number, 6, 0, 0, 0, True),
        "observations": lambda at, slot: (at.block.number, -slot, 7, slot < 2),
        "positions": lambda at, key: (at.block.number, int.from_bytes(key[:8], "big"), 1, 2, 3),
    }


def _position(at: Header, nft: int) -> Sequence[Any]:
    fee = 500 if nft % 2 else 3_000
    return (0, ZERO_ADDRESS, WRAPPED, DOLLAR, fee, -SPACING, SPACING, nft, at.block.number, 0, 0, 0)


def fake_policy(book: str, owner: Address, *pools: Address, **changes: Any) -> Policy:
    profile = ChainProfile(
        chain_id=ChainId(31_337),
        wrapped_native=WRAPPED,
        position_manager=MANAGER,
        factory=FACTORY,
        **{"final_depth_blocks": 12, "check_every_blocks": 10, **changes},
    )
    tokens = ((WRAPPED, "WETH", 18), (DOLLAR, "USDC", 6))
    made = Policy(
        book=BookId(book),
        chain=profile,
        owner=owner,
        accounts=(owner,),
        base=WRAPPED,
        quote=DOLLAR,
        tokens=tuple(TokenSpec(address=at, symbol=symbol, decimals=n) for at, symbol, n in tokens),
        pools=pools or POOLS[:1],
        reference_pool=(pools or POOLS)[0],
        strategy=TargetBand(),
    )
    return msgspec.structs.replace(made, policy_version=version_of(made))
