"""What a strategy may answer."""

import msgspec

from pipeline.messages.decisions import Trigger


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """The book should move to its target."""

    trigger: Trigger


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """The book is as it should be."""

    reason: str


Verdict = Act | Rest
