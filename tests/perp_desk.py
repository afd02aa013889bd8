"""A live book hedged at the toy future on a devnet, with the signer's judge and the future's keeper."""

from pathlib import Path
from typing import Any

import pytest
from chain_desk import ChainDesk
from hedged_play import DOLLAR, ETHER, endow, hedged_on
from msgspec.structs import replace
from worlds.toy_perp import half, signer
from worlds.toy_perp.chain import NAME, PerpContract, deploy_perp
from worlds.toy_perp.registered import lines

from pipeline.hedge.port import HedgePosition
from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy
from pipeline.units import Bps, Seconds
from pipeline.venues.registry import hedge_venue
from streams.devnet.chain import Chain
from streams.devnet.transactions import Tx
from streams.devnet.world import World


def know_perps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the kind in the three registries."""
    for registry, name, entry in lines():
        monkeypatch.setitem(registry, name, entry)


def hedged_at(world: World, perp: PerpContract, owner: str, **hedge: Any) -> Policy:
    fields = {"ratio_bps": Bps(6_500), "cooldown_s": Seconds(60), "pace_s": Seconds(12)}
    return hedged_on(world, owner, perp.spec, Hedge(venue=NAME, **{**fields, **hedge}), stall_after_s=48)


def endow_at(chain: Chain, world: World, owner: str) -> None:
    """Give the owner the tokens of a hedged book, and the pool a price history."""
    endow(chain, world, owner, spenders=(), half_width=1_000)
    chain.rpc("anvil_mine", hex(10), hex(12))


class PerpDesk(ChainDesk):
    """A hedged book and a keeper who, while active, executes each order one block after its request."""

    def __init__(
        self, chain: Chain, world: World, cache: Path, *, within_bps: int = 500, **hedge: Any
    ) -> None:
        self.perp, self.owner = deploy_perp(chain, world, cache=cache), world.accounts.owners[0]
        self.keeper_works = True
        endow_at(chain, world, self.owner)
        super().__init__(chain, world, hedged_at(world, self.perp, self.owner, **hedge))
        fields = signer.PerpFields.model_validate(
            {
                "name": NAME,
                "kind": half.KIND,
                "contract": self.perp.at,
                "base": world.weth,
                "quote": world.usdc_low,
                "largest_size": 40 * ETHER,
                "within_bps": within_bps,
            }
        )
        terms = signer.PerpTerms(fields=fields)
        self.limits = replace(self.limits, venues=(*self.limits.venues, terms))

    def block(self, *others: Tx) -> list[str]:
        order = self.perp.order_of(self.chain, self.owner) if self.keeper_works else 0
        return super().block(*((self.perp.execute(self.owner),) if order else ()), *others)

    def settle(self, blocks: int, *first: Tx) -> None:
        self.block(*first)
        for _ in range(blocks):
            self.block()

    def let_pass(self, seconds: int) -> None:
        """Mine a block after a number of seconds."""
        self.chain.rpc("evm_setNextBlockTimestamp", self.chain.header().timestamp_s + seconds)
        self.block()

    def position(self) -> HedgePosition:
        venue = hedge_venue(self.book)
        assert venue is not None
        return venue.position(self.shard, self.book)


__all__ = ["DOLLAR", "ETHER", "PerpDesk", "know_perps"]
