"""A live book hedged at the toy future on a devnet: its desk, and what its keeper does."""

from pathlib import Path
from typing import Any

import pytest
from chain_desk import ChainDesk
from hedged_play import DOLLAR, ETHER, KEPT, NOWHERE, POOL, hedged_on
from msgspec.structs import replace
from worlds.toy_perp import half, signer
from worlds.toy_perp.chain import NAME, PerpContract, deploy_perp
from worlds.toy_perp.registered import lines

from pipeline.hedge.port import HedgePosition
from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy
from pipeline.units import Bps, Seconds
from pipeline.venues.abi import function
from pipeline.venues.registry import hedge_venue
from streams.devnet import actions
from streams.devnet.chain import Chain
from streams.devnet.reads import balance, range_around
from streams.devnet.transactions import Tx
from streams.devnet.world import World


def know_perps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the kind into the three registries: all that a venue needs."""
    for registry, name, entry in lines():
        monkeypatch.setitem(registry, name, entry)


def hedged_at(world: World, perp: PerpContract, owner: str, **hedge: Any) -> Policy:
    fields = {"ratio_bps": Bps(6_500), "cooldown_s": Seconds(60), "pace_s": Seconds(12)}
    return hedged_on(world, owner, perp.spec, Hedge(venue=NAME, **{**fields, **hedge}), stall_after_s=48)


def endow(chain: Chain, world: World, owner: str) -> None:
    """Give the owner a range, some tokens of both kinds, and no allowance; the pool's price has a past."""
    pool = world.pool(POOL)
    ticks = range_around(chain, pool, -1_000, 1_000)
    chain.execute(actions.mint_position(world, owner, pool, ticks, world.amounts(pool, 20 * ETHER)))
    for token, kept in ((world.weth, KEPT["weth"]), (world.usdc_low, KEPT["usdc"])):
        more = balance(chain, token, owner) - kept
        chain.execute(actions.transfer(token, owner, NOWHERE, more))
    approve = function("tokens/ERC20", "approve")
    spenders = (world.router, world.position_manager)
    chain.execute(
        *(
            Tx(sender=owner, to=token, data=approve.calldata(spender, 0))
            for token in (world.weth, world.usdc_low)
            for spender in spenders
        )
    )
    chain.rpc("anvil_setBalance", owner, hex(2 * ETHER))
    chain.rpc("anvil_mine", hex(10), hex(12))


class PerpDesk(ChainDesk):
    """A keeper carries each order out one block after it was requested, while it works."""

    def __init__(
        self, chain: Chain, world: World, cache: Path, *, within_bps: int = 500, **hedge: Any
    ) -> None:
        self.perp, self.owner = deploy_perp(chain, world, cache=cache), world.accounts.owners[0]
        self.keeper_works = True
        endow(chain, world, self.owner)
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
        """Mine a block so much later."""
        self.chain.rpc("evm_setNextBlockTimestamp", self.chain.header().timestamp_s + seconds)
        self.block()

    def position(self) -> HedgePosition:
        venue = hedge_venue(self.book)
        assert venue is not None
        return venue.position(self.shard, self.book)


__all__ = ["DOLLAR", "ETHER", "PerpDesk", "know_perps"]
