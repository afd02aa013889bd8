"""The toy future's keeper under a test's control: its actions on an account's order, block by block."""

from collections.abc import Callable
from typing import Literal

from streams.devnet.chain import Chain
from streams.devnet.reads import ask
from streams.devnet.transactions import Tx
from worlds.toy_perp.chain import PerpContract
from worlds.toy_perp.half import ACCOUNT

KeeperDoes = Literal["executes", "cancels", "takes", "rests"]
SILENT_BLOCKS = 10
"""So long nothing is known of an order that was taken, twice the `stall_after` of its book."""
REASON = "maintenance"


class Keeper:
    """Executes an account's order in the block after its request, unless it is idle.

    It executes it; or it cancels it and executes the next one; or it takes it, is silent for long, and executes it then.
    After a reorg it does to an order that is there again what it does to a new one, and executes one that it had cancelled.
    """

    def __init__(self, perp: PerpContract, account: str) -> None:
        self._perp, self._account = perp, account
        self.does: KeeperDoes = "executes"
        self.before: Callable[[], None] | None = None
        """What happens once, right before it touches an order."""
        self.cancelled: set[int] = set()
        """Numbers of all orders that it ever cancelled, on whatever branch."""
        self._silent_blocks = 0

    def block(self, chain: Chain) -> tuple[Tx, ...]:
        """Tell what it sends in the next block."""
        *_, number, _, _, is_taken = ask(chain, self._perp.at, ACCOUNT, self._account)
        if not number or self.does == "rests":
            return ()
        self._silent_blocks = self._silent_blocks + 1 if is_taken else 0
        if is_taken and self._silent_blocks <= SILENT_BLOCKS:
            return ()
        before, self.before = self.before, None
        if before is not None:
            before()
        return (self._touched(number, is_taken=is_taken),)

    def _touched(self, number: int, *, is_taken: bool) -> Tx:
        if self.does == "takes" and not is_taken:
            return self._perp.take(self._account)
        if self.does == "cancels":
            self.does = "executes"
            self.cancelled.add(number)
            return self._perp.cancel(self._account, REASON)
        return self._perp.execute(self._account)
