"""Value an amount of a book's base, of its quote or of gas in its quote, at a given price."""

from pipeline.messages.base import Price
from pipeline.messages.policy import Policy
from pipeline.units import Address, Bps

_WHOLE_BPS = 10_000


def in_quote(policy: Policy, token: Address, amount: int, base_price: Price) -> int:
    """Value an amount of base or quote in quote, at a price of the base. Rounds: down."""
    return amount if token == policy.quote else base_price.value(amount)


def apart_bps(price: Price, reference: Price) -> Bps:
    """Return how far a price is from a reference, as a share of the reference. Rounds: up."""
    ours, theirs = price.numerator * reference.denominator, reference.numerator * price.denominator
    return Bps(-(-abs(ours - theirs) * _WHOLE_BPS // theirs))


def pair_price(policy: Policy, base_price: Price) -> Price:
    """Convert a price of base in quote into that of token0 in token1: token0 is the lower address, at every venue."""
    return base_price if policy.base < policy.quote else base_price.inverse()


def gas_in_quote(policy: Policy, cost_wei: int, base_price: Price) -> int | None:
    """Value gas in quote; None where neither base nor quote is the wrapped native token. Rounds: down."""
    native = policy.chain.wrapped_native
    return in_quote(policy, native, cost_wei, base_price) if native in {policy.base, policy.quote} else None
