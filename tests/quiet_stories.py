"""Logs of busy and quiet blocks with the events that make an idle book be evaluated again, and those that do not."""

from collections import Counter

from builders import BASE, FINAL_DEPTH, OWNER, STRANGER, ToyWatcher, policy
from msgspec.structs import replace

from pipeline.drive import drive
from pipeline.messages.decisions import RebalanceProposed
from pipeline.messages.dry_run import DryRun
from pipeline.messages.events import DryRunEnded, Paused, PolicyRemoved, Resumed
from pipeline.messages.policy import TargetBand
from pipeline.state.shard import Shard
from pipeline.units import BookId, Bps, Seconds, ShardId

CHAIN = replace(policy().chain, report_every_blocks=5)
BETA = {"book": "beta", "owner": STRANGER, "accounts": (STRANGER,), "publishes": (), "chain": CHAIN}
BANDS = (
    TargetBand(band_bps=Bps(100), hysteresis_bps=Bps(50), cooldown_s=Seconds(36)),
    TargetBand(target_share_bps=Bps(2_000), cooldown_s=Seconds(60), hold_out_of_range_s=Seconds(30)),
    TargetBand(
        band_bps=Bps(9_000), hysteresis_bps=Bps(10), hold_out_of_range_s=Seconds(36), cooldown_s=Seconds(24)
    ),
)
TOLD: Counter[str] = Counter()


def trade(watcher: ToyWatcher) -> None:
    """Move the price within a cell, over some of them, or out of ranges."""
    random = watcher.chain.random
    watcher.chain.mine(0)
    for _ in range(random.randint(1, 3)):
        watcher.chain.swap(10 ** random.randint(9, 19), down=random.random() < 0.5)
    watcher.tell()


def tell(watcher: ToyWatcher, act: int) -> None:
    """Do one of the things after which a book may have to be looked at, or may not."""
    match act:
        case 0 | 1 | 2:
            watcher.block(0)
        case 3:
            watcher.chain.mine(0)
            watcher.chain.move(BASE, STRANGER, OWNER, 10**20)
            watcher.tell()
        case 4:
            watcher.block(2)
        case 5:
            watcher.chain.mine(0)
            for _ in range(watcher.chain.random.randint(1, 3)):
                watcher.chain.swap(10**20, down=watcher.chain.head.number % 4 < 2)  # out of the band, or back
            watcher.tell()
        case 6:
            base = watcher.fork(f"other {len(watcher.log)}")
            for _ in range(min(3, FINAL_DEPTH - 1)):
                watcher.block(1)
            watcher.revert_to(base)
        case 7:
            watcher.append(Paused(scope="book/alpha", reason="lunch", by="me"))
        case 8:
            watcher.append(Resumed(scope="book/alpha", reason="back", by="me"))
        case 14 | 15 | 16:
            trade(watcher)
        case 17:
            end_a_dry_run(watcher)
        case _:
            change_policies(watcher, act)


def end_a_dry_run(watcher: ToyWatcher) -> None:
    """Tell what the last proposal came to: a decision about a book that no block has just looked at."""
    proposed = [said for said in drive(Shard(ShardId(0)), watcher.log) if isinstance(said, RebalanceProposed)]
    if proposed:
        proposal, run = proposed[-1].id.rpartition(".")[2], DryRun(outcome="done", blocks=1)
        watcher.append(DryRunEnded(book=proposed[-1].book, proposal=proposal, run=run))
        TOLD["dry-runs"] += 1


def change_policies(watcher: ToyWatcher, act: int) -> None:
    match act:
        case 9:
            watcher.set_policy(policy(**BETA))
        case 10:
            watcher.append(PolicyRemoved(book=BookId("beta")))
        case _:
            watcher.set_policy(policy(chain=CHAIN, strategy=BANDS[act % 3]))
