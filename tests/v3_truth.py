"""The chain's own state of a pool and its NFTs, to compare with the state followed from logs."""

from collections.abc import Iterable
from typing import Any

import msgspec
from eth_abi.packed import encode_packed
from eth_utils.crypto import keccak
from v3_follower import Follower

from pipeline.errors import OutOfRangeError
from pipeline.math.amounts import amounts_of_liquidity
from pipeline.units import RawAmount, Seconds, TokenId
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3 import collectable, fees_alone, mean_tick, observe
from pipeline.venues.uniswap_v3.forms.entries import NftPosition
from streams.devnet import reads
from streams.devnet.actions import EVERYTHING, MAX_UINT256
from streams.devnet.chain import Chain
from streams.node.blocking_rpc import RpcRefusedError

_POOL = "uniswap-v3/UniswapV3Pool"
_MANAGER = "uniswap-v3/NonfungiblePositionManager"


class Truth:
    """Reads the chain at its head, and asserts that every field equals the followed one."""

    def __init__(self, chain: Chain, follower: Follower) -> None:
        self.chain, self.follower = chain, follower
        self.compared = 0

    def check(self) -> None:
        """Compare all fields."""
        self.check_pool()
        self.check_ticks()
        self.check_observations()
        self.check_positions()
        for token_id, nft in self.follower.nfts.items():
            self.check_nft(token_id, nft)

    def check_pool(self) -> None:
        pool = self.follower.live.pool()
        price, tick, index, cardinality, cardinality_next, fee_protocol, unlocked = self.ask("slot0")
        said = {
            "sqrt_price_x96": price,
            "tick": tick,
            "observation_index": index,
            "observation_cardinality": cardinality,
            "observation_cardinality_next": cardinality_next,
            "fee_protocol0": fee_protocol % 16,
            "fee_protocol1": fee_protocol >> 4,
            "liquidity": self.ask("liquidity"),
            "growth0_x128": self.ask("feeGrowthGlobal0X128"),
            "growth1_x128": self.ask("feeGrowthGlobal1X128"),
            **dict(zip(("protocol_fees0", "protocol_fees1"), self.ask("protocolFees"), strict=True)),
        }
        self.equal({name: getattr(pool, name) for name in said}, said)
        assert unlocked

    def check_ticks(self) -> None:
        live = self.follower.live
        for tick in self.follower.ticks_ever:
            gross, net, outside0, outside1, *_, initialized = self.ask("ticks", tick)
            info = live.ticks.get(tick)
            assert initialized == (info is not None), tick
            if info is not None:
                self.equal((tick, *msgspec.structs.astuple(info)), (tick, gross, net, outside0, outside1))

    def check_observations(self) -> None:
        live = self.follower.live
        assert set(live.observations) == set(range(live.observation_cardinality_next))
        for index, slot in live.observations.items():
            at, tick_cumulative, per_liquidity, initialized = self.ask("observations", index)
            followed = (
                slot.timestamp_s,
                slot.tick_cumulative,
                slot.seconds_per_liquidity_x128,
                slot.initialized,
            )
            self.equal((index, *followed), (index, at, tick_cumulative, per_liquidity, initialized))

    def check_positions(self) -> None:
        for (owner, lower, upper), held in self.follower.live.positions.items():
            key = keccak(encode_packed(["address", "int24", "int24"], [owner, lower, upper]))
            self.equal(msgspec.structs.astuple(held), tuple(self.ask("positions", key)))

    def check_nft(self, token_id: TokenId, nft: NftPosition) -> None:
        said = self.ask_manager("positions", token_id)
        followed = (
            nft.tick_lower,
            nft.tick_upper,
            nft.liquidity,
            nft.inside0_last_x128,
            nft.inside1_last_x128,
            nft.owed0,
            nft.owed1,
        )
        self.equal(followed, tuple(said[5:]))
        self.equal(nft.owner, self.ask_manager("ownerOf", token_id))
        self.check_money(token_id, nft)

    def check_money(self, token_id: TokenId, nft: NftPosition) -> None:
        """Compare the collectable amounts and those of all liquidity with calls as the owner."""
        live = self.follower.live
        lower, upper = live.ticks.get(nft.tick_lower), live.ticks.get(nft.tick_upper)
        held = live.positions[self.follower.manager, nft.tick_lower, nft.tick_upper]
        amounts = collectable(live.pool(), lower, upper, nft, held)
        plenty = msgspec.structs.replace(held, owed0=RawAmount(2**127), owed1=RawAmount(2**127))
        self.follower.seen["paid less than owed"] += amounts != collectable(
            live.pool(), lower, upper, nft, plenty
        )
        self.equal(amounts, self.simulated(nft, "collect", (token_id, nft.owner, *EVERYTHING)))
        fees = fees_alone(amounts, nft)
        principal = (nft.principal_owed0, nft.principal_owed1)
        assert all(0 <= fee <= amount for fee, amount in zip(fees, amounts, strict=True))
        self.equal(fees, tuple(max(a - p, 0) for a, p in zip(amounts, principal, strict=True)))
        if nft.liquidity:
            given = amounts_of_liquidity(live.sqrt_price_x96, nft.tick_lower, nft.tick_upper, nft.liquidity)
            terms = (token_id, nft.liquidity, 0, 0, MAX_UINT256)
            self.equal(given, self.simulated(nft, "decreaseLiquidity", terms))

    def check_averages(self, spans_s: Iterable[int]) -> None:
        """Compare with the pool's own answers of `observe` for some times, reverts included."""
        live, now_s = self.follower.live, self.chain.header().timestamp_s
        for span_s in spans_s:
            try:
                then = observe(live, now_s, Seconds(span_s))
            except OutOfRangeError:
                then = None
            try:
                ticks, per_liquidity = self.ask("observe", [span_s, 0])
            except RpcRefusedError as error:
                assert "OLD" in str(error)  # noqa: PT017 - a refusal is an answer here
                assert then is None
                continue
            self.equal(then, (ticks[0], per_liquidity[0]))
            self.equal(observe(live, now_s, Seconds(0)), (ticks[1], per_liquidity[1]))
            if span_s:
                self.equal(mean_tick(live, now_s, Seconds(span_s)), (ticks[1] - ticks[0]) // span_s)

    def simulated(self, nft: NftPosition, name: str, terms: tuple[Any, ...]) -> tuple[RawAmount, RawAmount]:
        return reads.ask(self.chain, self.follower.manager, function(_MANAGER, name), terms, sender=nft.owner)

    def ask(self, name: str, *arguments: Any) -> Any:
        return reads.ask(self.chain, self.follower.address, function(_POOL, name), *arguments)

    def ask_manager(self, name: str, *arguments: Any) -> Any:
        return reads.ask(self.chain, self.follower.manager, function(_MANAGER, name), *arguments)

    def equal(self, followed: Any, said: Any) -> None:
        self.compared += 1
        assert followed == said
