"""Simulate an intent on the head, behind our own pending transactions, with balances before and after."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from pipeline.errors import CalldataError, UnreadableError
from pipeline.messages.transactions import SubmitTransaction
from pipeline.sign.nonces import Account, is_cancelling
from pipeline.units import NATIVE, Address, RawAmount, Seconds
from pipeline.venues.abi import declared, function
from streams.node.contract_calls import Ask
from streams.node.multicall import aggregate, aggregated
from streams.submit.node import CallToSimulate, SenderNode, SignerView, SimulatedCall, SimulatedLog
from streams.submit.venues.port import StateQuestion
from streams.submit.verdict import CallFailed, Refusal

_READ_GAS = 150_000
"""A balance, also of a token behind a proxy."""
_NOBODY = Address("0x" + "00" * 20)
_ERROR = declared("Error(string)")
_LONGEST_REASON = 200


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated transaction did to its owner's balances."""

    gas_used: int
    deltas: Mapping[Address, RawAmount]
    """By token, `NATIVE` for the chain's own coin; gas left out."""
    balances: Mapping[Address, RawAmount]
    """Afterwards."""
    logs: tuple[SimulatedLog, ...]
    logs_before: tuple[SimulatedLog, ...] = ()
    """Of our own transactions that wait."""
    answers: tuple[tuple[bytes, bytes], ...] = ()
    """To each further question, before and after; nothing where it reverts."""

    def moved(self, wrapped_native: Address) -> dict[Address, int]:
        """List by how much each balance of the owner changes; the native coin and its wrapped token count as one."""
        net: dict[Address, int] = {}
        for token, delta in self.deltas.items():
            name = wrapped_native if token == NATIVE else token
            net[name] = net.get(name, 0) + delta
        return {token: delta for token, delta in net.items() if delta}


async def simulate(
    node: SenderNode,
    intent: SubmitTransaction,
    account: Account,
    look: SignerView,
    *,
    tokens: Sequence[Address],
    multicall: Address,
    block_s: Seconds,
    questions: Sequence[StateQuestion] = (),
) -> Effect:
    """Simulate an intent in the block after the head. Raises: Refusal where it fails, NodeError."""
    before_us = [bound.intent for bound in account.waiting() if not is_cancelling(bound)]
    held = tuple(dict.fromkeys((*tokens, *(minimum.token for minimum in intent.minimums), NATIVE)))
    read = _read(intent.owner, held, questions, multicall)
    calls = [*map(_call, before_us), read, _call(intent), read]
    results = await node.simulate(calls, look.head.hash, Seconds(look.head.timestamp_s + block_s))
    waiting, (before, ran, after) = results[:-3], results[-3:]
    if not ran.succeeded:
        raise CallFailed("simulation", f"it fails on block {look.head.number}: {revert_reason(ran)}")
    (had, said_before), (has, said_after) = (_balances(held, questions, read) for read in (before, after))
    return Effect(
        gas_used=ran.gas_used,
        deltas={token: RawAmount(has[token] - had[token]) for token in held},
        balances=has,
        logs=ran.logs,
        logs_before=tuple(log for each in waiting for log in each.logs),
        answers=tuple(zip(said_before, said_after, strict=True)),
    )


def check_minimums(intent: SubmitTransaction, effect: Effect) -> None:
    """Compare what the owner would get with the minimums of the plan. Raises: Refusal."""
    for minimum in intent.minimums:
        found = effect.deltas[minimum.token]
        if found < minimum.delta:
            raise Refusal("simulation", f"{minimum.token} would change by {found}, must by {minimum.delta}")


def revert_reason(call: SimulatedCall) -> str:
    """Read from its return data why a call failed."""
    said = call.returned
    with suppress(CalldataError):
        (text,) = _ERROR.decode(said)
        return str(text)[:_LONGEST_REASON]
    if said:
        return f"0x{said.hex()[:_LONGEST_REASON]}"
    return (call.reason or "no reason given")[:_LONGEST_REASON]


def _call(intent: SubmitTransaction) -> CallToSimulate:
    call = intent.call
    return CallToSimulate(
        sender=intent.owner, to=call.to, data=call.data, value_wei=call.value_wei, gas_limit=call.gas_limit
    )


def _read(
    owner: Address, held: Sequence[Address], questions: Sequence[StateQuestion], multicall: Address
) -> CallToSimulate:
    balances = [_balance(owner, token, multicall) for token in held]
    asked = [(ask.to, ask.method.encode(*ask.arguments)) for ask in balances]
    data = aggregate([*asked, *((each.to, each.data) for each in questions)])
    gas_limit = _READ_GAS * (len(held) + 1) + sum(each.gas for each in questions)
    return CallToSimulate(sender=_NOBODY, to=multicall, data="0x" + data.hex(), gas_limit=gas_limit)


def _balance(owner: Address, token: Address, multicall: Address) -> Ask:
    if token == NATIVE:
        return Ask(multicall, function("multicall/Multicall3", "getEthBalance"), (owner,))
    return Ask(token, function("tokens/ERC20", "balanceOf"), (owner,))


def _balances(
    held: Sequence[Address], questions: Sequence[StateQuestion], read: SimulatedCall
) -> tuple[dict[Address, RawAmount], list[bytes]]:
    """Read the balances, and the further answers after them."""
    if not read.succeeded:
        raise Refusal("simulation", f"balances cannot be read: {revert_reason(read)}")
    answers = [answer for _, answer in zip((*held, *questions), aggregated(read.returned), strict=True)]
    balances = {token: _balance_read(token, *answer) for token, answer in zip(held, answers, strict=False)}
    return balances, [data if succeeded else b"" for succeeded, data in answers[len(held) :]]


def _balance_read(token: Address, succeeded: bool, answer: bytes) -> RawAmount:  # noqa: FBT001 - as Multicall3 answers
    try:
        (amount,) = function("tokens/ERC20", "balanceOf").answer(answer if succeeded else b"")
    except UnreadableError:
        raise Refusal("limits", f"the balance of {token} cannot be read") from None
    return RawAmount(amount)
