"""Encode and decode simulated calls as JSON-RPC carries them."""

import msgspec

from pipeline.units import Address
from streams.node.answers import quantity, raw_bytes
from streams.node.port import CallToSimulate, SimulatedCall, SimulatedLog


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    pass


class _LogAnswer(_Wire, frozen=True):
    address: str
    topics: tuple[str, ...]
    data: str


class _CallError(_Wire, frozen=True):
    message: str = ""
    data: str | None = None


class CallAnswer(_Wire, frozen=True):
    """The result of one call."""

    status: str
    return_data: str
    gas_used: str
    logs: tuple[_LogAnswer, ...] = ()
    error: _CallError | None = None


class SimulationAnswer(_Wire, frozen=True):
    """One simulated block."""

    calls: tuple[CallAnswer, ...]


SIMULATION = msgspec.json.Decoder(tuple[SimulationAnswer, ...])


def request_of(call: CallToSimulate) -> dict[str, str]:
    """Write a call in the node's form."""
    return {
        "from": call.sender,
        "to": call.to,
        "data": call.data,
        "value": hex(call.value_wei),
        "gas": hex(call.gas_limit),
    }


def simulated(answer: CallAnswer) -> SimulatedCall:
    """Read the result of a call; of a failed one, the revert data."""
    error = answer.error
    returned = answer.return_data if error is None or error.data is None else error.data
    return SimulatedCall(
        succeeded=quantity(answer.status) == 1,
        returned=raw_bytes(returned, "eth_simulateV1"),
        gas_used=quantity(answer.gas_used),
        logs=tuple(
            SimulatedLog(
                address=Address(log.address.lower()),
                topics=tuple(topic.lower() for topic in log.topics),
                data=raw_bytes(log.data, "eth_simulateV1"),
            )
            for log in answer.logs
        ),
        reason="" if error is None else error.message,
    )
