"""A signer whose node lags: it takes the lag for neither a reorg nor another chain, and does nothing because of it."""

import pytest
from signer_stage import LIMITS, SIGNER, TIMING, Stage
from structlog.testing import capture_logs

from pipeline.errors import BlockUnknownError, ForeignNonceError

STRANGE = TIMING.strange_looks


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def mined(stage: Stage, process, blocks: int) -> None:
    for _ in range(blocks):
        stage.node.mine()
        await process.step()


async def done_and_final(stage: Stage):
    """Let a signer have one intent done, so long ago that its nonce is final."""
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    await mined(stage, process, LIMITS.final_depth_blocks + 3)
    assert stage.times_done(wanted) == 1
    assert stage.bound() == []
    return process


async def test_a_node_behind_what_is_final_is_waited_for_also_by_a_process_that_starts(stage):
    await done_and_final(stage)
    whole, before = stage.node.blocks, stage.broker.journal()
    stage.node.blocks = whole[:1]  # before the transaction
    process = stage.process()
    await process.open()
    for _ in range(3 * STRANGE):
        with pytest.raises(
            BlockUnknownError, match=rf"behind: at block 100, and by block 101 {SIGNER} had used 6"
        ):
            await process.step()
    with pytest.raises(BlockUnknownError):
        await stage.process(adopt_nonce=True).open()
    changed = {key for key, value in stage.broker.journal().items() if before.get(key) != value}
    assert changed == {f"opened/{SIGNER}".encode()}
    stage.node.blocks = whole
    process = stage.process()
    await process.open()
    wanted = stage.ask()
    await process.step()
    stage.node.mine()
    assert stage.times_done(wanted) == 1


async def test_another_chain_that_is_as_long_is_not_waited_for(stage):
    process = await done_and_final(stage)
    stage.node.first_nonce -= 1
    stage.node.mine()
    for _ in range(STRANGE - 1):
        await process.step()
    with pytest.raises(ForeignNonceError, match="another chain, or a reorg deeper than any expected"):
        await process.step()


async def test_blocks_that_a_lagging_node_does_not_show_are_not_taken_for_gone(stage):
    """Its transactions stay mined; what was made on top of them is not cancelled, and nothing is sent again."""
    process = await stage.start()
    first = stage.ask(position="book/1")
    await process.step()
    await mined(stage, process, 2)
    second = stage.ask(position="book/1", after=first.digest)
    await process.step()
    stage.node.pool.clear()  # a replica's
    before, whole = stage.broker.journal(), stage.node.blocks
    stage.node.blocks = whole[:-2]
    for _ in range(5):
        await process.step()
    assert stage.broker.journal() == before
    assert stage.node.pool == {}
    stage.node.blocks = whole
    await mined(stage, process, 4)
    assert [stage.times_done(each) for each in (first, second)] == [1, 1]


async def test_another_block_at_a_known_height_is_a_reorg_at_once(stage):
    process = await stage.start()
    wanted = stage.ask()
    await process.step()
    await mined(stage, process, 3)
    stage.node.reorg(3, lose=True)
    del stage.node.blocks[-3:]  # lower than before
    await process.step()
    stage.node.mine()
    assert stage.times_done(wanted) == 1, "sent again"


async def test_a_standstill_is_told_once_and_again_after_it_went_on(stage):
    process = await stage.start()
    with capture_logs() as told:
        for _ in range(2):
            for _ in range(3):
                stage.now_s += TIMING.stalled_after_s
                await process.step()
            await mined(stage, process, 1)
    assert [each["log_level"] for each in told if "no new head comes" in each["event"]] == ["warning"] * 2
