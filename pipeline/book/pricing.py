"""What an amount of a book's base, of its quote or of gas is worth in its quote, at a price."""

from pipeline.math.value import value_in_token0, value_in_token1
from pipeline.messages.policy import Policy
from pipeline.units import Address, RawAmount, SqrtPriceX96


def in_quote(policy: Policy, token: Address, amount: int, at_x96: SqrtPriceX96) -> int:
    """Value an amount of base or quote. A pool orders its tokens by address. Rounds: down."""
    if token == policy.quote:
        return amount
    value_of = value_in_token1 if policy.base < policy.quote else value_in_token0
    return value_of(RawAmount(amount), at_x96)


def gas_in_quote(policy: Policy, cost_wei: int, at_x96: SqrtPriceX96) -> int | None:
    """Value what gas costs; None where neither base nor quote is the wrapped native token. Rounds: down."""
    native = policy.chain.wrapped_native
    return in_quote(policy, native, cost_wei, at_x96) if native in {policy.base, policy.quote} else None
