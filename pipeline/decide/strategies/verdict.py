"""The answers that a strategy can give."""

import msgspec

from pipeline.messages.decisions import Trigger
from pipeline.messages.outcomes import RestReason
from pipeline.units import Bps


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The strategy wants the book moved: where to, and why now."""

    base_share_bps: Bps
    trigger: Trigger


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """The strategy wants nothing changed."""

    reason: RestReason


Verdict = Target | Rest
