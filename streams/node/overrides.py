"""Simulate by a plain `eth_call` whose state override puts code of ours at the senders, which makes their calls.

Where a node has no eth_simulateV1, most still take state overrides with eth_call. Each sender's address is given a
forwarder's code, and the chain's Multicall3 asks the forwarders one after the other, so that each call sees the ones
before it and comes from its own sender. Gas and logs do not come back this way.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.units import Address
from streams.node.multicall import aggregate
from streams.node.port import CallToSimulate, SimulatedCall

_WORD = 32
_FORWARDER = bytes.fromhex(
    "60403603"  # length of what follows two words: CALLDATASIZE - 64
    "806040600037"  # that much of the calldata to memory
    "600060008260006000600035602035f1"  # the call
    "3d600060003e"  # what came back, whether it failed or not
    "3d600082602857fd5bf3"  # returned if the call went well, reverted with if it did not
)
"""Calls the address in the first word with the gas in the second and the rest as data; the coin it sends is 0."""


def call_of(calls: Sequence[CallToSimulate]) -> bytes:
    """Encode the call of Multicall3 that makes calls in order, each through its sender's forwarder."""
    return aggregate([(call.sender, _forwarded(call)) for call in calls])


def overrides_of(calls: Sequence[CallToSimulate]) -> dict[Address, dict[str, Any]]:
    """Override the code of each sender by a forwarder; its storage and its balance stay the same."""
    return {call.sender: {"code": "0x" + _FORWARDER.hex()} for call in calls}


def outcome(succeeded: bool, returned: bytes) -> SimulatedCall:  # noqa: FBT001 - as Multicall3 answers
    """Decode the result of one call; its gas and logs are not known."""
    return SimulatedCall(succeeded=succeeded, returned=returned, gas_used=0, logs=(), reason="")


def _forwarded(call: CallToSimulate) -> bytes:
    words = (int(call.to, 16), call.gas_limit)
    return b"".join(word.to_bytes(_WORD, "big") for word in words) + bytes.fromhex(
        call.data.removeprefix("0x")
    )
