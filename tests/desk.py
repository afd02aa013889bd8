"""A proposal carried out on the toy chain, with watcher, shard and signer stepped by the test."""

from typing import Any

from builders import MANAGER, OWNER, ROOMY_SIGNER, ToyWatcher, policy, started
from toy_signer import ToySigner, whale

from pipeline.drive import drive
from pipeline.messages.events import IntentRefused, PolicySet
from pipeline.messages.outcomes import RefusalReason
from pipeline.messages.policy import Limits, Policy, Rerange, TargetBand
from pipeline.messages.transactions import SubmitTransaction
from pipeline.state.shard import Shard
from pipeline.units import Bps, LogBps, Seconds, ShardId
from pipeline.venues.uniswap_v3.forms.entries import NftPosition


def live(**changes: Any) -> Policy:
    """Make a policy of a live book on the toy chain, with wide limits."""
    fields = {
        "mode": "live",
        "strategy": TargetBand(
            band_bps=Bps(600),
            hysteresis_bps=Bps(100),
            hold_out_of_range_s=Seconds(60),
            cooldown_s=Seconds(48),
        ),
        "limits": Limits(
            twap_window_s=Seconds(24),
            max_spot_from_twap_log_bps=LogBps(2_000),
            max_cost_bps=Bps(500),
            max_daily_cost_bps=Bps(10_000),
            max_daily_gas_bps=Bps(10_000),
            max_actions_per_day=1_000,
            max_slippage_bps=Bps(2_000),
            signer=ROOMY_SIGNER,
        ),
        "action": Rerange(half_width_log_bps=LogBps(100), stall_after_s=Seconds(60)),
    }
    return policy(**{**fields, **changes})


class Desk:
    """Watcher, shard and signer on the toy chain, stepped by the test."""

    def __init__(self, book: Policy, seed: int = 5, depth: int = 10**23) -> None:
        self.watcher: ToyWatcher = started(seed, book, depth=depth)
        self.shard = Shard(ShardId(0))
        self.signer = ToySigner()
        self.pending: list[SubmitTransaction] = []
        self.outputs: list[Any] = []
        self.fails: set[str] = set()
        self.take()
        for _ in range(6):
            self.block()

    @property
    def offset(self) -> int:
        return self.shard.cursor + 1

    def take(self) -> list[Any]:
        new = drive(self.shard, self.watcher.log[self.offset :])
        self.outputs += new
        self.pending += [o for o in new if isinstance(o, SubmitTransaction)]
        return new

    def block(self, *, push: bool | None = None) -> list[Any]:
        """Mine the pending transactions, after the signer has reported them."""
        chain = self.watcher.chain
        due, self.pending = self.pending, []
        for intent in due:
            for report in self.signer.reports(chain, intent):
                self.watcher.append(report)
        chain.mine(0)
        if push is not None:
            whale(chain, down=push)
        chain.swap(10**14, down=chain.random.random() < 0.5)
        receipts = tuple(self.signer.execute(chain, i, succeeds=i.step not in self.fails) for i in due)
        self.watcher.tell(receipts)
        return self.take()

    def refuse(self, reason: RefusalReason = "simulation") -> None:
        for intent in self.pending:
            self.watcher.append(IntentRefused(intent=intent.digest, reason=reason, detail="a test"))
        self.pending = []

    def said(self, kind: type) -> list[Any]:
        return [o for o in self.outputs if isinstance(o, kind)]

    def liquid(self) -> list[NftPosition]:
        return [
            p
            for _, p in self.shard.tables.group(f"position/{MANAGER}", NftPosition)
            if p.owner == OWNER and p.liquidity
        ]

    def set_policy(self, book: Policy) -> None:
        """Put another policy in force."""
        self.watcher.append(PolicySet(policy=book))
        self.watcher.read_wanted()
        self.take()
