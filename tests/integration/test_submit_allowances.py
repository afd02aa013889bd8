"""A phase whose first transaction clears an allowance: three transactions in one block, with consecutive nonces."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from odd_tokens import place_token, token_code
from sender_house import CHAIN_IDS, SenderHouse, limits_of

from pipeline.venues.abi import function
from streams.devnet import actions
from streams.devnet.broker import Broker
from streams.devnet.chain import start_chain
from streams.devnet.reads import balance, range_around, read
from streams.devnet.transactions import DEPLOY_GAS, Tx
from streams.devnet.world import DevnetPool, World

pytestmark = [pytest.mark.kafka, pytest.mark.anvil]

ETHER, DOLLAR = 10**18, 10**6
MANAGER = "uniswap-v3/NonfungiblePositionManager"
TETHER = "0x" + "ff" * 18 + "0dd1"


@pytest.fixture
def house(
    broker: Broker, built: tuple[World, Path, str], tmp_path: Path, cache: Path
) -> Iterator[SenderHouse]:
    """A signer on a chain whose dollars are like USDT, with a deep pool of them."""
    with start_chain(tmp_path / "chain", cache=cache, state=built[1], chain_id=next(CHAIN_IDS)) as chain:
        usual = built[0].pool("weth_usdc_high_500")
        place_token(chain, TETHER, token_code(silent=True, races=False))
        world = msgspec.structs.replace(built[0], usdc_low=TETHER)
        provider = world.accounts.providers[0]
        price_x96 = read(chain, usual.address, "uniswap-v3/UniswapV3Pool", "slot0")[0]
        pair = world.weth, TETHER, 500
        create = function(MANAGER, "createAndInitializePoolIfNecessary").calldata(*pair, price_x96)
        chain.execute(Tx(sender=provider, to=world.position_manager, data=create, gas=DEPLOY_GAS))
        address = read(chain, world.factory, "uniswap-v3/UniswapV3Factory", "getPool", *pair)
        pool = DevnetPool(
            name="odd", address=address, token0=world.weth, token1=TETHER, fee_pips=500, tick_spacing=10
        )
        world = msgspec.structs.replace(world, pools={"odd": pool})
        owner = world.accounts.owners[0]
        for who in (provider, owner):
            approve = function("tokens/ERC20", "approve").calldata(world.position_manager, 10**30)
            chain.execute(
                actions.mint_usdc(TETHER, who, who, 10**9 * DOLLAR),
                Tx(sender=who, to=TETHER, data=approve),
            )
        chain.execute(
            Tx(
                sender=owner,
                to=TETHER,
                data=function("tokens/ERC20", "approve").calldata(world.router, 7),
            ),
            actions.grow_observations(pool, provider, 20),
            actions.mint_position(
                world,
                provider,
                pool,
                range_around(chain, pool, -9_000, 9_000),
                world.amounts(pool, 900 * ETHER),
            ),
        )
        # its journal begins here, at the nonce that these transactions left
        house = SenderHouse(broker.bootstrap_servers, chain, world, tmp_path)
        house.limits = limits_of(world)
        for _ in range(8):
            chain.mine()
        yield house
        house.end()


def test_an_allowance_left_by_hand_is_cleared_given_and_used_in_one_block(house):
    place, since = "book/b1", house.chain.header().number
    had = balance(house.chain, house.world.weth, house.owner)
    amount = 3_000 * DOLLAR
    clear = house.approve(TETHER, 0, position=place)
    give = house.approve(TETHER, amount, position=place, after=clear.digest)
    swap = house.swap(TETHER, amount, 998 * ETHER // 1_000, pool="odd", position=place, after=give.digest)
    pid = house.start()
    house.put(clear, give, swap)
    house.until_said(swap.digest, "Sent")
    house.chain.mine()
    mined = house.transactions_of_owner(since)
    house.stop(pid)
    assert [tx["to"] for tx in mined] == [TETHER, TETHER, house.world.router]
    nonces = [int(tx["nonce"], 16) for tx in mined]
    assert nonces == list(range(nonces[0], nonces[0] + 3))
    assert len({tx["blockNumber"] for tx in mined}) == 1
    assert balance(house.chain, house.world.weth, house.owner) > had
    assert read(house.chain, TETHER, "tokens/ERC20", "allowance", house.owner, house.world.router) == 0


def test_without_clearing_it_the_signer_sees_it_fail_before_it_signs(house):
    give = house.approve(TETHER, 3_000 * DOLLAR, position="book/b1")
    pid = house.start()
    house.put(give)
    house.until_said(give.digest, "IntentRefused")
    (refused,) = house.reports()
    house.stop(pid)
    assert (refused.reason, "it fails on block" in refused.detail) == ("simulation", True)
    assert house.pending() == 0
