"""Every error that Evenkeel raises on purpose."""

from typing import Literal

UnsettledReason = Literal["order_requested", "order_unknown", "order_cancelled"]
"""Why a step that rests on an order does not go on."""


class EvenkeelError(Exception):
    """Root of the tree: what the command line shows without a traceback."""


# ------------------------------------------------------------------ the pipeline
class PipelineError(EvenkeelError):
    """One pool, position or book cannot be carried on; the others can."""


class OutOfRangeError(PipelineError):
    """A number lies outside what its type on chain can hold."""


class MalformedLogError(PipelineError):
    """A log has the topic of an event but not its shape."""


class SwapLimitedError(PipelineError):
    """A swap has no room at all before its price limit."""


class ImpossibleFactError(PipelineError):
    """A fact cannot follow from the state: the state or the log is wrong."""


class UnforeseenMoveError(PipelineError):
    """A plan has done what the state that it is in does not allow: a fault of ours."""


class PoolDriftedError(PipelineError):
    """What a log or a check says differs from what the state implies."""


class CalldataError(PipelineError):
    """Calldata that cannot be written, or is not what we would write."""


class CurveError(PipelineError):
    """An invariant is not a curve, or a curve has no value where it is asked for."""


class HedgeError(PipelineError):
    """A hedge cannot be sized from what is given."""


class UnsettledOrderError(HedgeError):
    """A step of a hedge rests on an order that is not carried out, or not known to be."""

    def __init__(self, message: str, *, reason: UnsettledReason) -> None:
        """Name which of these it is."""
        super().__init__(message)
        self.reason: UnsettledReason = reason


class StatisticsError(PipelineError):
    """Numbers are too few, or of a kind, that nothing can be estimated from them."""


# ------------------------------------------------------------------ the shell
class InfrastructureError(EvenkeelError):
    """The process cannot go on; its supervisor starts it again."""


class FencedError(InfrastructureError):
    """Another process has opened this shard since."""


class CommitError(InfrastructureError):
    """A transaction was not committed, or nobody can tell whether it was."""


class SignerHaltedError(EvenkeelError):
    """A signer must send nothing until a person has looked: starting it again does not help."""


class JournalError(SignerHaltedError):
    """A signer's journal is not what the signer wrote, or not all of it: nothing may be sent."""


class MemoryLostError(SignerHaltedError):
    """A signer's journal is empty although its account has been used."""


class ForeignNonceError(SignerHaltedError):
    """The chain has a transaction of our key that we did not sign."""


class StateLostError(InfrastructureError):
    """What a shard had committed is not there any more: going on would say everything again, or something wrong."""


class StateSpoiledError(StateLostError):
    """A record of `state.v1` is not an entry: no worker of ours wrote it."""


class MalformedRecordError(EvenkeelError):
    """Bytes on a topic that are not a message."""


class NewerRecordError(EvenkeelError):
    """A record was written by a newer Evenkeel than this one, which must not guess what it means."""

    def __init__(self, message: str, *, type_name: str = "", is_known: bool = False) -> None:
        """Name a message's type, and whether it is known here in an older version."""
        super().__init__(message)
        self.type_name, self.is_known = type_name, is_known


UNREADABLE = (MalformedRecordError, NewerRecordError)
"""What a record may be to a reader that goes on without it, and says so."""


class EventLogError(InfrastructureError):
    """A record of a shard's log is gone, or does not come."""


class LogLostError(EventLogError):
    """Records of a shard's log are gone for good: starting again does not bring them back."""


class StalledError(InfrastructureError):
    """Records wait and nothing is committed."""


class OversizedError(InfrastructureError):
    """A message is larger than a topic takes."""


class TopicError(InfrastructureError):
    """A topic is missing or not as it must be."""


class TopicMissingError(TopicError):
    """A topic was not made yet."""


class SettingsError(EvenkeelError):
    """A file or an environment variable says something that cannot be."""


class NodeError(InfrastructureError):
    """A node did not answer a question; the subclasses say which sort of trouble it was."""


class NodeBusyError(NodeError):
    """A node limits how much we ask, takes too long, or is down: the same question may be answered later."""


class BlockUnknownError(NodeError):
    """A node does not have a block, or the state after it: another node, or the same one later, may."""


class StateGoneError(BlockUnknownError):
    """A node knows a block but does not keep the state after it."""


class BrokenAnswerError(NodeError):
    """A node answered something that cannot be an answer to the question."""


class NodesDisagreeError(NodeError):
    """Nodes contradict each other about what one block's hash fixes: one of them lies or is broken."""


class NodeRefusedError(NodeError):
    """A node understood a question and says no; asked again it would say the same."""


class CallRevertedError(NodeRefusedError):
    """A contract refused a call: a fact about the chain, not about the node."""


class RequestRefusedError(NodeRefusedError):
    """A node does not serve a request as it was made, whatever the chain holds."""


class MethodMissingError(RequestRefusedError):
    """A node does not have a method, or not for us."""


class TooMuchAskedError(RequestRefusedError):
    """A node does not take so many questions at once, or the answer is too long for it or for us."""


PASSING_TROUBLE = (NodeBusyError, BlockUnknownError, BrokenAnswerError)
"""What another node, or the same one later, may answer: no fact about the chain, and no reason to conclude anything."""


class UnreadableError(EvenkeelError):
    """A contract has no answer at a block: it reverts, or there is no such contract."""


class AccessError(EvenkeelError):
    """The broker does not accept us, or does not allow what we must do: trying again does not help."""


class DevnetError(EvenkeelError):
    """The local broker or chain cannot be started or used."""
