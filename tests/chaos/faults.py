"""Everything that is done to a deployment, by name. A fault is over when its function returns."""

from collections.abc import Awaitable, Callable, Mapping

from chaos import chain_faults, log_faults, node_faults, process_faults
from chaos.house import House

Fault = Callable[[House], Awaitable[None]]

FAULTS: Mapping[str, Fault] = {
    "worker killed": process_faults.worker_killed,
    "worker frozen beyond its session": process_faults.worker_frozen,
    "worker started twice": process_faults.worker_doubled,
    "worker added": process_faults.worker_added,
    "worker leaves": process_faults.worker_leaves,
    "worker hears nothing of the log": process_faults.worker_deaf,
    "worker cut off from the broker": process_faults.worker_cut_off,
    "worker started past its cursor": log_faults.worker_past_its_cursor,
    "watcher killed": process_faults.watcher_killed,
    "watcher killed in the middle of a bootstrap": process_faults.watcher_killed_mid_bootstrap,
    "watcher killed between partitions": process_faults.watcher_killed_between_partitions,
    "watcher frozen, another takes over": process_faults.watcher_frozen,
    "two watchers at once": process_faults.two_watchers,
    "broker killed": process_faults.broker_killed,
    "broker away": process_faults.broker_away,
    "node answers null": node_faults.nulls,
    "node stalls": node_faults.stalls,
    "node lags": node_faults.lags,
    "node fails": node_faults.fails,
    "node forgets logs": node_faults.forgets,
    "chain stands still": chain_faults.stands_still,
    "reorg, short": chain_faults.short_reorg,
    "reorg, up to 64 deep": chain_faults.deep_reorg,
    "reorg too deep": chain_faults.too_deep_reorg,
    "policy changed": chain_faults.policy_changed,
    "policy removed and set again": chain_faults.policy_removed,
    "policy changed in a reorg": chain_faults.policy_in_a_reorg,
    "NFT out and in": chain_faults.nft_out_and_in,
    "NFT moved on a branch that goes away": chain_faults.nft_on_a_lost_branch,
    "malformed records": log_faults.malformed,
    "forged records": log_faults.forged,
    "forged watcher": log_faults.forged_watcher,
}

ALONE = frozenset(
    {
        "worker hears nothing of the log",
        "worker started past its cursor",
        "watcher killed in the middle of a bootstrap",
        "watcher killed between partitions",
        "watcher frozen, another takes over",
        "chain stands still",
        "reorg too deep",
        "worker started twice",
    }
)
"""Those that wait for something of their own making, which another fault would undo."""
