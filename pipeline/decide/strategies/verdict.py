"""What a strategy may answer."""

import msgspec

from pipeline.messages.decisions import Trigger
from pipeline.messages.outcomes import RestReason


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """The book should move to its target."""

    trigger: Trigger


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """The book is as it should be."""

    reason: RestReason


Verdict = Act | Rest
