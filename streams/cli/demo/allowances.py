"""Read the allowances of an owner's tokens from the tokens."""

from collections.abc import Mapping

from streams.devnet import reads
from streams.devnet.chain import Chain


def allowances(
    chain: Chain,
    owner: str,
    tokens: Mapping[str, str],
    spenders: Mapping[str, str],
    *,
    block: int | str = "latest",
) -> dict[str, int]:
    """Ask each token, by its symbol, what each contract, by its name, may take. Units: raw."""
    return {
        f"{symbol} to the {name}": reads.read(
            chain, token, "tokens/ERC20", "allowance", owner, spender, block=block
        )
        for symbol, token in tokens.items()
        for name, spender in spenders.items()
    }
