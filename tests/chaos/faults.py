"""Every fault of a deployment, by name. A fault is over when its function returns."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from chaos import chain_faults, log_faults, node_faults, process_faults
from chaos.house import House

Strike = Callable[[House], Awaitable[None]]


class Fault(NamedTuple):
    """One thing that goes wrong."""

    of: str
    """Whose it is: two faults of one kind do not go together."""
    strike: Strike
    fires: tuple[str, ...] = ()
    """Rules of recovery that it is certain to call upon."""
    alone: bool = False
    """It waits for something of its own making, which another fault would undo."""


FAULTS: Mapping[str, Fault] = {
    "worker killed": Fault("worker", process_faults.worker_killed),
    "worker frozen beyond its session": Fault("worker", process_faults.worker_frozen),
    "worker started twice": Fault("worker", process_faults.worker_doubled, alone=True),
    "worker added": Fault("worker", process_faults.worker_added),
    "worker leaves": Fault("worker", process_faults.worker_leaves),
    "worker hears nothing of the log": Fault(
        "worker", process_faults.worker_deaf, ("the watchdog ended a worker",), alone=True
    ),
    "worker cannot commit": Fault(
        "worker", process_faults.worker_mute, ("a commit was bounded in time",), alone=True
    ),
    "worker cut off from the broker": Fault("worker", process_faults.worker_cut_off),
    "worker started past its cursor": Fault(
        "worker", log_faults.worker_past_its_cursor, ("records that were passed over were read",), alone=True
    ),
    "watcher killed": Fault("watcher", process_faults.watcher_killed, ("a watcher took over",)),
    "watcher killed in the middle of a bootstrap": Fault(
        "watcher",
        process_faults.watcher_killed_mid_bootstrap,
        ("a watcher took over", "a bootstrap was taken up in the middle"),
        alone=True,
    ),
    "watcher killed between partitions": Fault(
        "watcher",
        process_faults.watcher_killed_between_partitions,
        ("a watcher took over", "a block was taken up between partitions"),
        alone=True,
    ),
    "watcher frozen, another takes over": Fault(
        "watcher",
        process_faults.watcher_frozen,
        ("a watcher took over", "a watcher was fenced"),
        alone=True,
    ),
    "two watchers at once": Fault(
        "watcher", process_faults.two_watchers, ("a watcher took over", "a watcher was fenced")
    ),
    "broker killed": Fault("broker", process_faults.broker_killed),
    "broker away": Fault("broker", process_faults.broker_away),
    "node answers null": Fault("node", node_faults.nulls, ("a node that failed was asked again",)),
    "node stalls": Fault("node", node_faults.stalls, ("a node that failed was asked again",)),
    "node lags": Fault("node", node_faults.lags),
    "node fails": Fault("node", node_faults.fails, ("a node that failed was asked again",)),
    "node forgets logs": Fault("node", node_faults.forgets, ("a node that failed was asked again",)),
    "chain stands still": Fault(
        "chain", chain_faults.stands_still, ("a chain that stands still was told",), alone=True
    ),
    "reorg, short": Fault("chain", chain_faults.short_reorg, ("a branch was undone",)),
    "reorg, up to 64 deep": Fault("chain", chain_faults.deep_reorg, ("a branch was undone",)),
    "reorg too deep": Fault(
        "chain",
        chain_faults.too_deep_reorg,
        ("a shard halted", "a halted shard was resumed"),
        alone=True,
    ),
    "policy changed": Fault("book", chain_faults.policy_changed),
    "policy removed and set again": Fault("book", chain_faults.policy_removed),
    "policy changed in a reorg": Fault(
        "book", chain_faults.policy_in_a_reorg, ("a branch was undone",), alone=True
    ),
    "NFT out and in": Fault("book", chain_faults.nft_out_and_in),
    "NFT moved on a branch that goes away": Fault(
        "book", chain_faults.nft_on_a_lost_branch, ("a branch was undone",)
    ),
    "malformed records": Fault("log", log_faults.malformed, ("a dead letter",)),
    "forged records": Fault(
        "log",
        log_faults.forged,
        (
            "a block was set aside",
            "a set-aside ended",
            "a record that was known already",
            "a record of a replaced watcher",
            "a read or revert of another block",
        ),
        alone=True,
    ),
    "forged watcher": Fault(
        "log",
        log_faults.forged_watcher,
        ("a watcher took over", "a watcher was fenced", "a watcher that stood by took over"),
    ),
}
