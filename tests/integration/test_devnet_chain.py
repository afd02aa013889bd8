"""The devnet's chain mines in lock-step, rolls back, and is the same each time."""

import itertools
from pathlib import Path

import pytest

from pipeline.errors import DevnetError
from streams.devnet.chain import BLOCK_S, Chain, next_base_fee_wei, start_chain
from streams.devnet.deploy import build_world
from streams.devnet.ports import is_free as socket_is_free
from streams.devnet.transactions import Tx
from streams.devnet.world import World

pytestmark = pytest.mark.anvil


def test_it_mines_only_when_told(chain: Chain, world: World) -> None:
    before = chain.header()
    chain.send(Tx(sender=world.accounts.spare[0], to=world.accounts.spare[1], value_wei=1))
    assert chain.header() == before
    after = chain.mine()
    assert (after.number, after.parent_hash) == (before.number + 1, before.hash)
    assert after.timestamp_s == before.timestamp_s + BLOCK_S
    assert after.gas_used == 21_000


def test_transactions_keep_the_order_of_sending_whatever_they_pay(chain: Chain, world: World) -> None:
    first, second = world.accounts.spare[:2]
    poor = Tx(sender=first, to=second, value_wei=1).request()
    rich = {**Tx(sender=second, to=first, value_wei=1).request(), "maxPriorityFeePerGas": hex(400 * 10**9)}
    sent = [chain.rpc("eth_sendTransaction", request) for request in (poor, rich)]
    chain.mine()
    assert chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"] == sent


def test_the_base_fee_follows_the_protocol_also_after_a_rollback(chain: Chain) -> None:
    blocks = [chain.mine() for _ in range(4)]
    for parent, block in itertools.pairwise(blocks):
        assert block.base_fee_wei == next_base_fee_wei(parent)
    chain.rollback(3)
    assert chain.mine() == blocks[1], "the same block again: same fee, same time"


@pytest.mark.parametrize("depth", [1, 5, 64])
def test_a_reorg_replaces_blocks_by_other_ones(chain: Chain, depth: int) -> None:
    old = [chain.mine() for _ in range(65)]
    head = chain.reorg(depth)
    fork = old[-depth - 1]
    assert head.number == old[-1].number + 1
    new = [chain.header(fork.number + 1 + i) for i in range(depth + 1)]
    assert new[0].parent_hash == fork.hash
    assert not {block.hash for block in new} & {block.hash for block in old}
    assert new[0].timestamp_s == fork.timestamp_s + BLOCK_S


def test_a_failing_transaction_says_why(chain: Chain, world: World) -> None:
    burn_of_nothing = Tx(
        sender=world.accounts.spare[0], to=world.position_manager, data="0x42966c68" + "00" * 32
    )
    with pytest.raises(DevnetError, match="failed: eth_call: execution reverted"):
        chain.execute(burn_of_nothing)


def test_a_saved_world_goes_on_as_the_built_one(
    tmp_path: Path, cache: Path, chain: Chain, built: tuple[World, Path, str]
) -> None:
    world, _, head_hash = built
    with start_chain(tmp_path / "again", cache=cache) as again:
        assert build_world(again, cache=cache) == world
        assert again.header().hash == head_hash == chain.header().hash
        assert [again.mine() for _ in range(3)] == [chain.mine() for _ in range(3)]


def test_the_world_is_built_on_an_empty_chain_only(chain: Chain, cache: Path) -> None:
    with pytest.raises(DevnetError, match="already has"):
        build_world(chain, cache=cache)


def test_an_unknown_block_is_an_error(chain: Chain) -> None:
    with pytest.raises(DevnetError, match="no block 10000"):
        chain.header(10_000)


def test_a_chain_that_is_gone_is_an_error(chain: Chain) -> None:
    chain.kill()
    with pytest.raises(DevnetError, match="eth_blockNumber: no answer"):
        chain.rpc("eth_blockNumber")


def test_a_port_that_another_chain_holds_is_not_taken_for_ones_own(
    chain: Chain, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "streams.devnet.ports.is_free", lambda port: port == chain.port or socket_is_free(port)
    )
    with start_chain(tmp_path / "other", cache=cache, usual_port=chain.port) as other:
        assert other.port != chain.port
        assert other.header().number == 0 != chain.header().number
