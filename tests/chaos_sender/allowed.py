"""A second implementation of what the owner's file allows, with which every signature is compared."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml
from chaos.tail import Tail
from eth_abi.abi import decode
from eth_account import Account
from eth_account.typed_transactions import TypedTransaction  # type: ignore[attr-defined]
from hexbytes import HexBytes

from pipeline.errors import DevnetError
from pipeline.venues.abi import function
from streams.devnet.reads import read
from streams.kafka.topics import NONCES

if TYPE_CHECKING:
    from chaos_sender.house import House

_RAW = re.compile(rb"0x02[0-9a-f]{200,}")
_MANAGER = "uniswap-v3/NonfungiblePositionManager"
_ROUTER = "uniswap-v3/SwapRouter02"
_POOL = "uniswap-v3/UniswapV3Pool"
_BPS = 10_000
_REFERENCE_BPS = 300
"""How far the price at which this judge values a swap may lie from that of the signer's."""


_LONGEST_WAIT_BLOCKS = 50
"""From its plan to its block, by its deadline."""


PricedAt = Sequence[int | str]
"""The blocks at whose end a swap may have been signed, the likeliest first; none where nobody can tell any more."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that carries the owner's signature, whether it was mined or not."""

    nonce: int
    to: str
    data: bytes
    value_wei: int
    gas_limit: int
    max_fee_wei: int


class Allowed:
    """Collects all that the owner's key has ever signed, and says what of it the file does not allow."""

    def __init__(self, house: "House", file: Path) -> None:
        self._house = house
        self._file: Mapping[str, Any] = yaml.safe_load(file.read_text())
        self._tail = Tail(house.bootstrap, [NONCES.on(house.chain_id)])
        self._blocks_read = house.first_block
        self.signatures: dict[str, Signature] = {}
        """By hash."""
        self.unpriced = 0
        """Swaps that were signed at a price that nobody can tell any more."""
        self._has_looked = False
        self.wrong: list[str] = []

    async def close(self) -> None:
        await self._tail.close()

    async def look(self) -> None:
        """Take in what was mined and journalled since the last time.

        What is mined was signed at one of the prices before its block, for it may have waited while the price jumped. What is only
        journalled is judged at the price of now; of what was journalled before the first look nobody can tell it any more.
        """
        await self._house.on_chain(self._take_mined)
        news = await self._tail.news()
        raws = [raw.decode() for record in news for raw in _RAW.findall(record.value or b"")]
        await self._house.on_chain(self._take_raws, raws, ("latest",) if self._has_looked else ())
        self._has_looked = True

    def _take_raws(self, raws: Sequence[str], blocks: PricedAt) -> None:
        for raw in raws:
            self._take_raw(raw, blocks)

    def _take_raw(self, raw: str, blocks: PricedAt) -> None:
        """Take a journalled transaction if the signature is the owner's: nobody can forge that."""
        try:
            sender = Account.recover_transaction(raw)
            fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        except Exception:  # noqa: BLE001 - whatever a forger has written
            return
        if sender.lower() == self._house.owner:
            self._take(
                f"0x{HexBytes(fields['hash']).hex().removeprefix('0x')}" if "hash" in fields else raw,
                Signature(
                    nonce=int(fields["nonce"]),
                    to="0x" + HexBytes(fields["to"]).hex().removeprefix("0x"),
                    data=bytes(HexBytes(fields["data"])),
                    value_wei=int(fields["value"]),
                    gas_limit=int(fields["gas"]),
                    max_fee_wei=int(fields["maxFeePerGas"]),
                ),
                blocks,
            )

    def _take_mined(self) -> None:
        chain = self._house.chain
        head = chain.header().number
        for number in range(self._blocks_read + 1, head + 1):
            block = chain.rpc("eth_getBlockByNumber", hex(number), True)
            own = [tx for tx in block["transactions"] if tx["from"] == self._house.owner]
            for tx in own:
                priced_at = range(number - 1, max(number - _LONGEST_WAIT_BLOCKS, 0), -1)
                self._take(tx["hash"], _mined(tx), priced_at)
            if own and self._has_looked:
                faults = self._house.book.faults_of_block(chain, number)
                self.wrong += [f"block {number}: {fault}" for fault in faults]
        self._blocks_read = head

    def _take(self, name: str, signature: Signature, blocks: PricedAt) -> None:
        if signature in self.signatures.values():
            return
        self.signatures[name] = signature
        self.wrong += [f"nonce {signature.nonce}: {why}" for why in self._faults(signature, blocks)]

    # -------------------------------------------------------------- one signature
    def _faults(self, it: Signature, blocks: PricedAt) -> Iterator[str]:
        house = self._house
        world, owner = house.world, house.owner
        gas_wei = it.gas_limit * it.max_fee_wei
        most_wei = int(Decimal(str(self._file.get("max_gas_ether", "0.25"))) * 10**18)
        if gas_wei > most_wei:
            yield f"may pay {gas_wei} wei for gas, the file allows {most_wei}"
        if it.to == owner:
            if it.data or it.value_wei:
                yield "pays itself something, which no cancellation does"
        elif it.to == world.router:
            yield from self._router(it.data, blocks)
        elif it.to == world.position_manager:
            yield from self._manager(it.data)
        elif (faults := house.book.faults_of_call(it.to, it.data)) is not None:
            yield from faults
        elif it.to in {world.weth, world.usdc_of(world.pool(house.pool))}:
            yield from self._token(it)
        else:
            yield f"calls {it.to}"
        if it.value_wei and it.to != world.weth:
            yield f"sends {it.value_wei} wei to {it.to}"

    def _token(self, it: Signature) -> Iterator[str]:
        approve = function("tokens/ERC20", "approve")
        if it.data[:4] == approve.selector:
            spender, _ = decode(("address", "uint256"), it.data[4:])
            if spender.lower() not in self._house.book.spenders.values():
                yield f"lets {spender} spend {it.to}"
        elif it.data[:4] not in {
            function("tokens/WETH9", "deposit").selector,
            function("tokens/WETH9", "withdraw").selector,
        }:
            yield f"calls 0x{it.data[:4].hex()} of {it.to}"

    def _manager(self, data: bytes) -> Iterator[str]:
        owner = self._house.owner
        known = {name: function(_MANAGER, name) for name in ("mint", "decreaseLiquidity", "collect", "burn")}
        for part in _parts(data, function(_MANAGER, "multicall").selector, ("bytes[]",)):
            found = next((n for n, m in known.items() if part[:4] == m.selector), None)
            if found is None:
                yield f"calls 0x{part[:4].hex()} of the position manager"
            elif found in {"mint", "collect"}:
                (fields,) = decode(known[found].inputs, part[4:])
                recipient = fields[9] if found == "mint" else fields[1]
                if recipient.lower() != owner:
                    yield f"{found} for {recipient}"

    def _prices_x96(self, pool: str, blocks: PricedAt) -> Iterator[int]:
        """Read the pool's price after each block that the chain has not forgotten."""
        for block in blocks:
            with suppress(DevnetError):
                yield read(self._house.chain, pool, _POOL, "slot0", block=block)[0]

    def _router(self, data: bytes, blocks: PricedAt) -> Iterator[str]:
        house = self._house
        swaps = [function(_ROUTER, name) for name in ("exactInputSingle", "exactOutputSingle")]
        for part in _parts(data, bytes.fromhex("5ae401dc"), ("uint256", "bytes[]")):
            called = next((each for each in swaps if part[:4] == each.selector), None)
            if called is None:
                yield f"calls 0x{part[:4].hex()} of the router"
                continue
            ((token_in, _, fee, recipient, amount, bound, _),) = decode(called.inputs, part[4:])
            pays, gets = (amount, bound) if called is swaps[0] else (bound, amount)
            pool = house.world.pool(house.pool)
            if recipient.lower() != house.owner or fee != pool.fee_pips:
                yield f"swap for {recipient} in a pool of {fee} pips"
            worths = []
            for price_x96 in self._prices_x96(pool.address, blocks):
                sells_0 = token_in.lower() == pool.token0
                worths.append(pays * price_x96**2 >> 192 if sells_0 else (pays << 192) // price_x96**2)
                if (worths[-1] - gets) * _BPS <= self._most_bps * worths[-1]:
                    break
            else:
                self.unpriced += not worths
                if worths:
                    yield f"swap of {pays} for {gets}, worth {min(worths)} at least in the blocks before"

    @property
    def _most_bps(self) -> int:
        return int(Decimal(str(self._file["max_loss"]).removesuffix("%")) * 100) + _REFERENCE_BPS


def _mined(tx: Mapping[str, Any]) -> Signature:
    return Signature(
        nonce=int(tx["nonce"], 16),
        to=tx["to"],
        data=bytes.fromhex(tx["input"][2:]),
        value_wei=int(tx["value"], 16),
        gas_limit=int(tx["gas"], 16),
        max_fee_wei=int(tx.get("maxFeePerGas", tx["gasPrice"]), 16),
    )


def _parts(data: bytes, multicall: bytes, types: tuple[str, ...]) -> list[bytes]:
    """Take a multicall apart; anything else is one part."""
    return list(decode(types, data[4:])[-1]) if data[:4] == multicall else [data]
