"""Decode an intent's call by the venue whose contract it goes to: only listed calls pass."""

from collections.abc import Sequence

import msgspec

from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.nonces import Account
from pipeline.units import Address
from streams.submit.venues.port import KnownCall, VenueTerms
from streams.submit.verdict import Refusal


def venue_at(to: Address, venues: Sequence[VenueTerms]) -> VenueTerms:
    """Find the venue of a contract. Raises: Refusal where no venue has it."""
    for venue in venues:
        if to in venue.contracts:
            return venue
    raise Refusal("limits", f"contract {to} is not on the list")


def known_calls(intent: SubmitTransaction, venues: Sequence[VenueTerms]) -> tuple[KnownCall, ...]:
    """Read which known calls an intent's transaction makes.

    Raises: Refusal for a contract, function or recipient that is not on the list, and for calldata that is not
    exactly what the function's arguments encode to.
    """
    to, data = intent.call.to, bytes.fromhex(intent.call.data.removeprefix("0x"))
    calls = tuple(venue_at(to, venues).read_calls(to, data, intent.owner))
    if intent.call.value_wei and not (len(calls) == 1 and calls[0].takes_value):
        raise Refusal("limits", f"{intent.call.value_wei} wei go to {to} with a call that takes none")
    return calls


def latest_deadline_s(calls: tuple[KnownCall, ...]) -> int | None:
    """Return until when calls that depend on a price may still be mined; None where none of them does.

    Raises: Refusal where one of them may be mined for ever.
    """
    found = []
    for call in calls:
        if call.must_end:
            if call.deadline_s is None:
                raise Refusal("limits", f"{call.function} without a deadline may be mined at any later price")
            found.append(call.deadline_s)
    return max(found, default=None)


def actions_in(calls: tuple[KnownCall, ...]) -> int:
    """Count a transaction as an action by what it calls, not by the plan that it claims."""
    return int(any(call.is_action for call in calls))


def with_risk_alone(account: Account, venues: Sequence[VenueTerms]) -> Account:
    """Leave out the pending transactions that add no risk. Raises: Refusal where one's call is not on the list any more."""
    risky = [
        each for each in account.waiting() if any(call.adds_risk for call in known_calls(each.intent, venues))
    ]
    return msgspec.structs.replace(account, nonces=tuple(risky))
