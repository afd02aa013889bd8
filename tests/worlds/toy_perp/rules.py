"""The contract's arithmetic, to the unit: funding, the margin behind a size, and its health."""

import msgspec
from msgspec.structs import replace

from pipeline.book.inventory import WHOLE_BPS
from pipeline.errors import ImpossibleFactError
from pipeline.hedge.port import HedgeChange
from pipeline.messages.orders import Cancelled, Executed, Requested, UnknownOrder
from pipeline.units import RawAmount, Seconds
from worlds.toy_perp.forms import Liquidated, MarginMoved, OrderSaid, PerpAccount, PerpMarket

ONE = 2**96
INITIAL_BPS, MAINTENANCE_BPS = 1_000, 500


class PerpAt(msgspec.Struct, frozen=True):
    """A market at a second."""

    market: PerpMarket
    at_s: Seconds

    @property
    def index(self) -> int:
        return self.market.index + self.market.rate * (self.at_s - self.market.index_at_s)

    def paid_up(self, account: PerpAccount) -> PerpAccount:
        """Put funding into the margin. Rounds: down."""
        due = account.size * (self.index - account.paid) // ONE
        return replace(account, margin=account.margin + due, paid=self.index)

    def collateral(self, account: PerpAccount) -> int:
        """Tell margin, with funding, and what the size was sold for."""
        return self.paid_up(account).margin + account.sold

    def worth(self, size: int, *, up_bps: int = 0) -> int:
        """Tell what buying a size back costs, the price risen by so much. Rounds: up."""
        return -(-size * self.market.price * (WHOLE_BPS + up_bps) // (ONE * WHOLE_BPS))

    def equity(self, account: PerpAccount, *, up_bps: int = 0) -> int:
        return self.collateral(account) - self.worth(account.size, up_bps=up_bps)

    def health_bps(self, account: PerpAccount, *, up_bps: int = 0) -> int | None:
        """Tell what is left over what must be: below 1 it may be liquidated. Rounds: down."""
        worth = self.worth(account.size, up_bps=up_bps)
        if not worth:
            return None
        return self.equity(account, up_bps=up_bps) * WHOLE_BPS * WHOLE_BPS // (MAINTENANCE_BPS * worth)

    def is_secured(self, account: PerpAccount) -> bool:
        """Ask whether it may become larger, or margin be taken out."""
        return self.equity(account) * WHOLE_BPS >= INITIAL_BPS * self.worth(account.size)

    def changed(self, account: PerpAccount, size: int) -> PerpAccount:
        """Carry an order out at the market's price. Raises: ImpossibleFactError for more than there is."""
        if size >= 0:
            more = size * self.market.price // ONE
            return replace(account, size=RawAmount(account.size + size), sold=RawAmount(account.sold + more))
        if -size > account.size:
            raise ImpossibleFactError(f"{-size} of {account.size} is taken off")
        part = account.sold * -size // account.size
        return replace(
            account,
            size=RawAmount(account.size + size),
            sold=RawAmount(account.sold - part),
            margin=account.margin + part - self.worth(-size),
        )

    def after(self, account: PerpAccount, change: HedgeChange) -> PerpAccount:
        """Take a change as done."""
        paid = self.paid_up(account)
        moved = self.changed(paid, max(change.size, -account.size))
        return replace(moved, margin=moved.margin + change.collateral)

    # -------------------------------------------------------------- what a log says
    def said(self, account: PerpAccount, fact: OrderSaid) -> PerpAccount:
        """Take what the chain says of an order. Raises: ImpossibleFactError where it is of another."""
        match fact.order.state:
            case Requested():
                order = replace(fact.order, size_before=account.size)
                return replace(account, order=order, limit=fact.limit)
            case UnknownOrder():
                return replace(account, order=self._same(account, fact))
            case Executed():
                done = self._at(fact.price).changed(self.paid_up(account), fact.order.change)
                return replace(done, order=self._same(account, fact), limit=0)
            case Cancelled():
                return replace(self.paid_up(account), order=self._same(account, fact), limit=0)
        raise ImpossibleFactError(f"no log says {fact.order.state}")

    def moved(self, account: PerpAccount, fact: MarginMoved) -> PerpAccount:
        paid = self.paid_up(account)
        return replace(paid, margin=paid.margin + fact.change)

    def liquidated(self, account: PerpAccount, fact: Liquidated) -> PerpAccount:
        if fact.size != account.size:
            raise ImpossibleFactError(f"{fact.size} of {account.size} was liquidated")
        left = max(self.equity(account), 0)
        return replace(self.paid_up(account), size=RawAmount(0), sold=RawAmount(0), margin=left)

    def _at(self, price: int) -> "PerpAt":
        return PerpAt(replace(self.market, price=price), self.at_s)

    @staticmethod
    def _same(account: PerpAccount, fact: OrderSaid):
        was = account.order
        if was is None or was.number != fact.order.number:
            raise ImpossibleFactError(f"order {fact.order.number} was never requested")
        return replace(was, state=fact.order.state)
