"""How an intent is judged: refused for a reason, not yet, or good to sign."""

from pipeline.messages.outcomes import RefusalReason


class Refusal(Exception):  # noqa: N818 - an answer to an intent, not an error of ours
    """An intent is not carried out, now or later."""

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        """Take a reason that programs read and a sentence that people read."""
        super().__init__(f"{reason}: {detail}")
        self.reason: RefusalReason = reason
        self.detail = detail


class NotYet(Exception):  # noqa: N818 - an answer too
    """It cannot be judged on this head: the node is behind, or the chain does not move."""
