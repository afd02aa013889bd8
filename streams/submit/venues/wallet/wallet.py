"""Judge calls on the owner's wallet: allowances for listed spenders, and wrapping of the native coin. Nothing else may move."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

import msgspec

from pipeline.messages.base import BlockRef
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, RawAmount
from streams.submit.arguments import Functions
from streams.submit.venues.port import Cost, JudgedIntent, Judging, KnownCall, StateQuestion, VenueTerms
from streams.submit.verdict import Refusal

if TYPE_CHECKING:
    from streams.submit.node import SimulatedLog
    from streams.submit.simulation import Effect

_TOKEN = Functions(("approve(address,uint256)",))
_WRAPPED = Functions(("deposit()", "withdraw(uint256)"))
_NOTHING = Functions(())

_APPROVE = "0x095ea7b3"
_APPROVAL_LENGTH = len(_APPROVE) + 2 * 64


def takes_back(intent: SubmitTransaction) -> bool:
    """Return whether an intent only revokes an allowance: `approve(spender, 0)`."""
    data = intent.call.data
    is_approval_of_nothing = len(data) == _APPROVAL_LENGTH and data.endswith("0" * 64)
    return data.startswith(_APPROVE) and is_approval_of_nothing and not intent.call.value_wei


class WalletTerms(msgspec.Struct, frozen=True, kw_only=True):
    """`VenueTerms` of the owner's own tokens: those of the venues, approved for the venues' contracts."""

    wrapped_native: Address
    venues: tuple[VenueTerms, ...]
    """All others."""
    standing_allowances: Mapping[Address, RawAmount] = {}
    """By token, what each spender may be allowed; of others, or more, only what the owner has."""
    name: str = "wallet"

    @property
    def tokens(self) -> Sequence[Address]:
        """The tokens of all venues, each once."""
        return tuple(dict.fromkeys(chain.from_iterable(venue.tokens for venue in self.venues)))

    @property
    def contracts(self) -> Collection[Address]:
        """The tokens, and the wrapper of the chain's coin."""
        return {*self.tokens, self.wrapped_native}

    def spenders(self, token: Address) -> Collection[Address]:
        """List the venues' contracts that may take a token."""
        return set(chain.from_iterable(venue.spenders(token) for venue in self.venues))

    def read_calls(self, to: Address, data: bytes, owner: Address) -> Iterator[KnownCall]:
        """Read an approval, or a wrapping. Raises: Refusal."""
        del owner
        listed = _TOKEN if to in self.tokens else _NOTHING
        name, arguments = (listed | _WRAPPED if to == self.wrapped_native else listed).read(to, data)
        if name == "approve" and arguments[0].lower() not in self.spenders(to):
            raise Refusal("limits", f"approve of {to} for {arguments[0].lower()}, which is not on the list")
        yield KnownCall(
            to=to, function=name, arguments=arguments, takes_value=name == "deposit", in_outage="always"
        )

    def questions(self, owner: Address) -> Sequence[StateQuestion]:
        """Ask nothing beside balances."""
        del owner
        return ()

    def touched(self, owner: Address, effect: "Effect") -> str | None:
        """Return nothing: token balances are compared in every simulation, and valued by the intent's own venue."""
        del owner, effect
        return None

    def counts(self, log: "SimulatedLog") -> bool:
        """Count only transfers of the tokens."""
        del log
        return False

    def bind(self, judging: Judging) -> "WalletTerms":
        """Return itself: no node is needed."""
        del judging
        return self

    async def read_ahead(self, calls: Sequence[KnownCall], head: BlockRef) -> None:
        """Do nothing."""
        del calls, head

    async def appraise(self, judged: JudgedIntent) -> Cost:
        """Compare an allowance with what the owner has, and refuse any movement. Raises: Refusal."""
        for call in judged.calls:
            if call.function == "approve":
                self._check_allowance(call, judged.effect)
        moved = judged.effect.moved(self.wrapped_native)
        if moved:
            raise Refusal("limits", f"{', '.join(sorted(moved))} would move with a call that moves nothing")
        return Cost()

    async def prices(self, token: Address, head: BlockRef) -> Sequence[Fraction]:
        """Return no price."""
        del token, head
        return ()

    def _check_allowance(self, call: KnownCall, effect: "Effect") -> None:
        """Allow no more than the owner has, or than the signer's file lets stand. Raises: Refusal."""
        amount, has = call.arguments[1], effect.balances[call.to]
        stands = self.standing_allowances.get(call.to, 0)
        if amount > max(has, stands):
            raise Refusal("limits", f"an allowance of {amount}, the owner has {has}, {stands} may stand")
