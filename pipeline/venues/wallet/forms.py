"""The messages and entries of wallets, and the facts of tokens' logs."""

from pipeline import keys
from pipeline.messages.base import Entry
from pipeline.messages.events import Observed
from pipeline.messages.facts import Fact
from pipeline.units import Address, RawAmount


class Balance(Entry, frozen=True, kw_only=True):
    """`balance/account/token`: an account's balance of a token. Chain part."""

    amount: RawAmount


class BalanceObserved(Observed, frozen=True, kw_only=True, tag=True):
    """A read of an account's balance of a token."""

    account: Address
    token: Address
    amount: RawAmount

    @property
    def item(self) -> str:
        return keys.balance(self.account, self.token)

    def explain(self, differences: list[str]) -> str:
        """Describe a difference in a balance, with the tokens for which a balance changes without a transfer."""
        return f"a balance has changed without a transfer ({differences[0]}): a rebasing token, or one with a hidden fee"


class TokensMoved(Fact, frozen=True, kw_only=True):
    """An ERC-20 transfer, or a deposit or withdrawal of the wrapped native token (one side is zero)."""

    sender: Address
    recipient: Address
    amount: RawAmount
