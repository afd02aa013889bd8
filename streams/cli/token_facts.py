"""Add symbol and decimals of a book's tokens to raw amounts, for programs."""

from pipeline.messages.policy import Policy


def token_facts(policy: Policy) -> dict[str, object]:
    """Name base and quote, and of each token its symbol and decimals: a whole token is ten to its decimals raw units."""
    return {
        "base": policy.base,
        "quote": policy.quote,
        "tokens": {
            token.address: {"symbol": token.symbol, "decimals": str(token.decimals)}
            for token in policy.tokens
        },
    }
