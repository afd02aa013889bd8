"""Follow operators' pauses for a signer, whichever shard they stand on and whatever book an intent names."""

from collections.abc import Iterator

from pipeline import keys
from pipeline.messages.events import AnyEvent, Paused, PolicySet, Resumed
from pipeline.messages.policy import Policy
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.gas_fees import Stop
from pipeline.units import Address, ShardId
from streams.submit.venues.registry import takes_back


class Pauses:
    """The pauses in force, and the accounts that each book was ever said to use.

    An intent may lie about its book and stand on any shard. So a pause counts on every shard, and that of a book
    holds for each intent that names an owner or a signer of it. Policies only ever add to that: a forged one can
    stop more, never less.
    """

    def __init__(self) -> None:
        """Start without pauses."""
        self._paused: dict[tuple[ShardId, str], bool] = {}
        """By shard and scope: whether what is signed is to be cancelled too."""
        self._accounts: dict[str, set[Address]] = {}
        """By the scope of a book."""

    def take(self, shard: ShardId, event: AnyEvent) -> None:
        """Apply a record of a shard's log."""
        match event:
            case Paused(scope=scope, cancels=cancels):
                self.note_pause(shard, scope, cancels=cancels)
            case Resumed(scope=scope):
                self._paused.pop((shard, scope), None)
            case PolicySet(policy=policy):
                self.note_policy(policy)
            case _:
                pass

    def note_pause(self, shard: ShardId, scope: str, *, cancels: bool) -> None:
        """Add a pause that is in force."""
        self._paused[shard, scope] = cancels

    def note_policy(self, policy: Policy) -> None:
        """Add the accounts that a book uses."""
        mine = {policy.owner, policy.signer or policy.owner}
        self._accounts.setdefault(keys.book(policy.book), set()).update(mine)

    def stopping(self, intent: SubmitTransaction) -> Stop | None:
        """Return the pause that stops an intent, one that also cancels before any other."""
        found = sorted(self._matching(intent), key=lambda stop: not stop.cancels)
        return found[0] if found else None

    def _matching(self, intent: SubmitTransaction) -> Iterator[Stop]:
        accounts = {intent.owner, intent.signer}
        for (_, scope), cancels in self._paused.items():
            if scope != keys.ALL and not cancels and takes_back(intent):
                continue  # it makes a paused book safer
            mine = self._accounts.get(scope, set()) & accounts
            if scope in {keys.ALL, keys.book(intent.book)} or mine:
                yield Stop(why=f"{scope} is paused", cancels=cancels)
