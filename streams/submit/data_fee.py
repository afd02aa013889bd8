"""Compute the fee for posting a transaction's data, on chains that charge for it beside the gas or within it."""

from pipeline.errors import CallRevertedError, UnreadableError
from pipeline.messages.transactions import SubmitTransaction
from pipeline.units import Address, Hash, Wei
from pipeline.venues.abi import Function, declared
from streams.submit.limits import SignerLimits
from streams.submit.node import SenderNode
from streams.submit.verdict import Refusal

GAS_PRICE_ORACLE = Address("0x420000000000000000000000000000000000000f")
"""Of OP-stack chains, at the same address on each."""
NODE_INTERFACE = Address("0x00000000000000000000000000000000000000c8")
"""Of Arbitrum: no contract, but the node answers as one."""

_L1_FEE = declared("getL1Fee(bytes)", "uint256")
_L1_GAS = declared("gasEstimateL1Component(address,bool,bytes)", "uint64", "uint256", "uint256")
_MARGIN = 2
"""The fee is that of the block it is mined in: other data prices than now may hold by then."""
_ENVELOPE_BYTES = 200
"""Nonce, fees, access list and signature around the calldata, rounded up; of bytes that do not compress."""


async def data_fee_wei(node: SenderNode, intent: SubmitTransaction, limits: SignerLimits, at: Hash) -> Wei:
    """Ask what an intent's transaction pays for its data beside gas, and return twice that; 0 on chains without such a fee.

    Raises: Refusal where the chain's oracle gives no answer, NodeError.
    """
    if limits.data_fee != "fee":
        return Wei(0)
    envelope = bytes(1 + place % 255 for place in range(_ENVELOPE_BYTES))
    written = envelope + bytes.fromhex(intent.call.data.removeprefix("0x"))
    (fee_wei,) = await _ask(node, GAS_PRICE_ORACLE, _L1_FEE, (written,), at)
    return Wei(fee_wei * _MARGIN)


async def check_gas_limit(
    node: SenderNode, intent: SubmitTransaction, gas_used: int, limits: SignerLimits, at: Hash
) -> None:
    """Refuse a gas limit without room for the data, where gas pays for data: the transaction would fail and still cost gas.

    Raises: Refusal, NodeError.
    """
    if limits.data_fee != "gas":
        return
    data = bytes.fromhex(intent.call.data.removeprefix("0x"))
    l1_gas, *_ = await _ask(node, NODE_INTERFACE, _L1_GAS, (intent.call.to, False, data), at)
    needed = gas_used + l1_gas
    if needed > intent.call.gas_limit:
        raise Refusal(
            "limits",
            f"its gas limit is {intent.call.gas_limit}, it needs {gas_used} and {l1_gas} for its data",
        )


async def _ask(
    node: SenderNode, to: Address, asked: Function, arguments: tuple[object, ...], at: Hash
) -> tuple[int, ...]:
    try:
        return asked.answer(await node.call(to, asked.encode(*arguments), at))
    except (CallRevertedError, UnreadableError) as error:
        raise Refusal("limits", f"{to} does not tell what the data costs: {error}") from None
