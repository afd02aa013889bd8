"""The verdicts on an intent: refused for a reason, not yet, or fit to sign."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.messages.outcomes import RefusalReason


class Refusal(Exception):  # noqa: N818 - an answer to an intent, not an error of ours
    """Raised where an intent is not carried out, now or later."""

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        """Set a reason for programs and a sentence for people."""
        super().__init__(f"{reason}: {detail}")
        self.reason: RefusalReason = reason
        self.detail = detail


class CallFailed(Refusal):
    """Raised where an intent's own call fails in a simulation."""


class Unpriced(Refusal):
    """Raised where no venue of the signer's file prices a token at any block."""


class NotYet(Exception):  # noqa: N818 - an answer too
    """Raised where an intent cannot be judged at this head: the node is behind, or the chain does not move."""


@contextmanager
def attributing_to_market(*, is_at_its_block: bool) -> Iterator[None]:
    """Attribute a broken limit to the market where the head is above the plan's block: price, depth or means have moved since.

    A plan that is made on that head may be taken. What breaks a limit at its own block breaks it again. Raises: Refusal.
    """
    try:
        yield
    except Refusal as refusal:
        if refusal.reason != "limits" or is_at_its_block:
            raise
        raise Refusal("market", refusal.detail) from None
