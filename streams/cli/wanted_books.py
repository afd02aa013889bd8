"""Print the books of a portfolio file, and how each is to be hedged."""

from collections.abc import Sequence

from pipeline.messages.hedge import Hedge
from pipeline.messages.policy import Policy
from streams.cli.console import print_table
from streams.cli.wording import named_in
from streams.human_numbers import bps_text, factor_text, seconds_text
from streams.kafka.topics import shard_of
from streams.portfolio.words import address_text


def print_policies(policies: Sequence[Policy], partitions: int) -> None:
    """Show what a file asks for."""
    print_table(
        "books",
        ["book", ">shard", "mode", "owner", "pools", "target", "band", "cooldown", "version"],
        [
            (
                policy.book,
                str(shard_of(policy.book, partitions)),
                policy.mode,
                address_text(policy, policy.owner),
                " ".join(address_text(policy, pool) for pool in policy.pools),
                bps_text(policy.strategy.target_share_bps),
                f"±{bps_text(policy.strategy.band_bps)}",
                seconds_text(policy.strategy.cooldown_s),
                policy.policy_version[:12],
            )
            for policy in policies
        ],
    )
    hedged = [_hedge_row(policy, policy.hedge) for policy in policies if policy.hedge]
    if hedged:
        columns = ["book", "venue", "kind", ">ratio", ">kept", ">act below", "cooldown"]
        print_table("hedges", columns, hedged)


def _hedge_row(policy: Policy, hedge: Hedge) -> tuple[str, ...]:
    spec = policy.chain.venue(hedge.venue)
    kept = named_in(policy).amount(policy.base, hedge.kept_base)
    share = f" and {bps_text(hedge.kept_share_bps)}" if hedge.kept_share_bps else ""
    return (
        policy.book,
        hedge.venue,
        "" if spec is None else spec.kind,
        "auto" if hedge.auto else bps_text(hedge.ratio_bps),
        f"{kept}{share}",
        factor_text(hedge.act_bps),
        seconds_text(hedge.cooldown_s),
    )
