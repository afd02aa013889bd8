"""Tokens and contracts for simulations on the chain in memory."""

from collections.abc import Callable, Mapping, Sequence

from eth_abi.abi import encode

from pipeline.units import Address
from pipeline.venues.abi import function
from streams.node.port import CallToSimulate, Header, SimulatedCall

Contract = Callable[[bytes, Header], bytes | None]
"""Answers calldata as of a block; None reverts."""

_BALANCE = function("tokens/ERC20", "balanceOf")
_TRANSFER = function("tokens/ERC20", "transfer")


def simulate(
    contracts: Mapping[Address, Contract],
    calls: Sequence[CallToSimulate],
    header: Header,
    fees_bps: Mapping[Address, int],
) -> list[SimulatedCall]:
    """Answer calls in order, each after the transfers before it."""
    moved: dict[tuple[Address, str], int] = {}
    answers = []
    for call in calls:
        data = bytes.fromhex(call.data.removeprefix("0x"))
        contract = contracts.get(call.to)
        if data[:4] == _TRANSFER.selector:
            recipient, amount = _TRANSFER.decode(data)
            comes = amount - amount * fees_bps.get(call.to, 0) // 10_000
            for who, delta in ((call.sender, -amount), (recipient, comes)):
                moved[call.to, who] = moved.get((call.to, who), 0) + delta
            answers.append(_answered(b""))
            continue
        answer = b"" if contract is None else contract(data, header)
        if answer is not None and data[:4] == _BALANCE.selector:
            (who,) = _BALANCE.decode(data)
            answer = encode(["uint256"], [int.from_bytes(answer, "big") + moved.get((call.to, who), 0)])
        answers.append(_answered(answer))
    return answers


def _answered(answer: bytes | None) -> SimulatedCall:
    return SimulatedCall(succeeded=answer is not None, returned=answer or b"", gas_used=0, logs=(), reason="")
