"""The contracts and accounts of the devnet's chain: the same addresses in every run."""

from pathlib import Path

import msgspec

Pair = tuple[int, int]
"""Lower and upper tick, or amounts of token0 and token1."""
Q96 = 2**96
MAX_TICK = 887_272
FIRST_PRICE_USDC = 3_000
MULTICALL = "0xca11bde05977b3631167028862be2a173976ca11"


class DevnetPool(msgspec.Struct, frozen=True, kw_only=True):
    """A Uniswap V3 pool of WETH and one of the USDCs."""

    name: str
    address: str
    token0: str
    token1: str
    fee_pips: int
    tick_spacing: int

    def full_range(self) -> Pair:
        """Return the widest range that the spacing allows."""
        edge = MAX_TICK // self.tick_spacing * self.tick_spacing
        return -edge, edge


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """anvil's well-known development accounts by what they do here, all unlocked."""

    deployer: str  # owns the factory, so it sets protocol fees
    arbitrageur: str
    traders: tuple[str, ...]
    providers: tuple[str, ...]
    owners: tuple[str, ...]  # for tracked books; the flow never uses them
    spare: tuple[str, ...]


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of everything deployed, lower case. `usdc_low` < `weth` < `usdc_high`."""

    chain_id: int
    weth: str
    usdc_low: str
    usdc_high: str
    factory: str
    position_manager: str
    router: str
    quoter: str
    tick_lens: str
    multicall: str
    callee: str
    accounts: Accounts
    pools: dict[str, DevnetPool]
    first_block: int  # of the factory: nothing of this world is older

    @property
    def tokens(self) -> tuple[str, str, str]:
        return self.weth, self.usdc_low, self.usdc_high

    def pool(self, name: str) -> DevnetPool:
        """Return a pool by name: weth_usdc_low_500, weth_usdc_high_500, weth_usdc_low_3000."""
        return self.pools[name]

    def amounts(self, pool: DevnetPool, amount_weth: int) -> Pair:
        """Return an amount of WETH and ample dollars for it, in the pool's order."""
        usdc = 10 * amount_weth * FIRST_PRICE_USDC * 10**6 // 10**18
        return (amount_weth, usdc) if pool.token0 == self.weth else (usdc, amount_weth)

    def usdc_of(self, pool: DevnetPool) -> str:
        """Return the pool's dollar side."""
        return pool.token1 if pool.token0 == self.weth else pool.token0

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))


def load_world(path: Path) -> World:
    return msgspec.json.decode(path.read_bytes(), type=World)
