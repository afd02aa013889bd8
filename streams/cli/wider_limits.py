"""Name the limits of a live book that exceed its signer's or differ from them, since the signer would refuse its plans."""

from collections.abc import Callable, Iterator

from msgspec import UNSET
from msgspec.structs import replace

from pipeline.fee_tiers import spot_log_bps_of
from pipeline.messages.policy import Policy
from streams.human_numbers import bps_text, price_move_text, seconds_text
from streams.submit.signer_file import SignerFile

_ANY_FEE = 0
"""No tier: the widest."""
Text = Callable[[int], str]


def wider_than_signers(policy: Policy, file: SignerFile | None = None) -> Iterator[str]:
    """Name each limit of a book that contradicts a signer's file; without one, what a file says unless it names more."""
    if policy.mode != "live":
        return
    limits, of = policy.limits, _of_file(file)
    whose = "a signer's" if file is None else "its signer's"
    unless = " unless its file says more" if file is None else ""
    own = limits.signer
    if limits.max_slippage_bps is not None and limits.max_slippage_bps > own.max_loss_bps:
        yield (
            f"{policy.book}: max_slippage {bps_text(limits.max_slippage_bps)} is wider than signer.max_loss, "
            f"{bps_text(own.max_loss_bps)}: nothing is planned beyond that"
        )
    pairs: list[tuple[str, int | None, str, Text]] = [
        ("swap_tolerance", limits.swap_tolerance_bps, "swap_tolerance", bps_text),
        ("max_spot_from_twap", limits.max_spot_from_twap_log_bps, "max_spot_from_twap", price_move_text),
        ("deadline", limits.deadline_s, "max_deadline", seconds_text),
        ("signer.max_loss", own.max_loss_bps, "max_loss", bps_text),
        ("signer.max_share_of_depth", own.max_share_of_depth_bps, "max_share_of_depth", bps_text),
        ("signer.swap_tolerance", own.swap_tolerance_bps, "swap_tolerance", bps_text),
        ("signer.max_gas_limit", own.max_gas_limit, "max_gas_limit", str),
    ]
    for name, wanted, theirs, text in pairs:
        if wanted is not None and wanted > of[theirs]:
            yield (
                f"{policy.book}: {name} {text(wanted)} is wider than {whose} {theirs}, {text(of[theirs])}{unless}: it would "
                "refuse what needs it (limits)"
            )
    if own.twap_window_s != of["twap_window"]:
        yield (
            f"{policy.book}: signer.twap_window {seconds_text(own.twap_window_s)} is not {whose} twap_window, "
            f"{seconds_text(of['twap_window'])}{unless}: it holds what is planned against another mean"
        )
    if file is not None:
        yield from _sequencer(policy, file)
    if file is not None and policy.hedge:
        yield from _hedge(policy, policy.hedge.venue, file)


def _sequencer(policy: Policy, file: SignerFile) -> Iterator[str]:
    """Name where a signer goes by another uptime feed, or waits for longer."""
    ours, theirs = policy.chain.sequencer or None, file.uptime_feed()
    if theirs is None or ours == theirs:
        return
    if ours is None or ours.feed != theirs.feed:
        named = "none" if ours is None else ours.feed
        yield (
            f"{policy.book}: its signer goes by the uptime feed {theirs.feed} of its chain's sequencer, the policy by {named}: it "
            "would refuse what is planned while the one says that prices do not count and the other does not (market)"
        )
    elif ours.grace_s < theirs.grace_s:
        yield (
            f"{policy.book}: chain.sequencer.grace {seconds_text(ours.grace_s)} is shorter than its signer's, "
            f"{seconds_text(theirs.grace_s)}: it would refuse what is planned in between (market)"
        )


def _hedge(policy: Policy, venue: str, file: SignerFile) -> Iterator[str]:
    """Name what of a book's hedge its signer's file does not allow."""
    entries = [entry for entry in file.sections() if entry.secures(policy)]
    if not entries:
        yield f"{policy.book}: no entry of its signer's venues names the pool of {venue}: it would refuse the hedge (limits)"
    if file.uptime_feed() is None:  # then it refuses nothing because of one
        policy = replace(policy, chain=replace(policy.chain, sequencer=UNSET))
    for entry in entries:
        for says in entry.refuses_of(policy, file.budget_token):
            yield f"{policy.book}: {says}: it would refuse what needs it (limits)"


def _of_file(file: SignerFile | None) -> dict[str, int]:
    """Take a file's limits, or what they are where a file says nothing of them."""
    named = (
        {name: each.default for name, each in SignerFile.model_fields.items()} if file is None else dict(file)
    )
    if named["max_spot_from_twap"] is None:
        named["max_spot_from_twap"] = spot_log_bps_of(_ANY_FEE)
    return named
