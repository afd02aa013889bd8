"""Test whether a token's balances follow from its transfers; one that takes a fee or changes balances by itself is refused.

What it is shows in what it does: some of it is sent from one who has it to one who has nothing, and back, in a
simulation. What changes balances only later shows in the functions that such tokens have.
"""

from collections.abc import Sequence

import msgspec
import structlog

from pipeline.errors import CallRevertedError, MethodMissingError, RequestRefusedError, UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.units import Address, RawAmount, Seconds
from pipeline.venues.abi import Function, declared, function
from streams.node.contract_calls import Ask, ContractReader
from streams.node.port import CallToSimulate, SimulatedCall

log = structlog.get_logger(__name__)

_NOBODY = Address("0x000000000000000000000000000065766e6b6565")
"""Has never had anything."""
_BALANCE, _TRANSFER = function("tokens/ERC20", "balanceOf"), function("tokens/ERC20", "transfer")
_READ_GAS, _TRANSFER_GAS = 300_000, 1_500_000
_BLOCK_S = 12
_PART = 100
"""So little of what a holder has is sent: more may be forbidden."""
_LEAST = 10**6
"""But this much, if there is: a fee of a ten-thousandth must show."""


_REBASING: tuple[tuple[Function, tuple[object, ...]], ...] = (
    (declared("getPooledEthByShares(uint256)", "uint256"), (10**18,)),
    (declared("sharesOf(address)", "uint256"), (_NOBODY,)),
    (declared("scaledBalanceOf(address)", "uint256"), (_NOBODY,)),
    (declared("UNDERLYING_ASSET_ADDRESS()", "uint256"), ()),
    (declared("scaledTotalSupply()", "uint256"), ()),
    (declared("gonsPerFragment()", "uint256"), ()),
)
"""What shares of a pot, interest-bearing tokens and tokens of elastic supply answer, and no other token."""


class TransferTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer to try: token, sender, amount; 0: nobody has any."""

    token: Address
    holder: Address
    amount: RawAmount


async def token_fault(
    reader: ContractReader, token: Address, holders: Sequence[Address], at: BlockRef, *, acts: bool
) -> str | None:
    """Explain why a token's balance cannot be followed by its transfers; None: nothing speaks against it.

    `holders` may have some: pools, mostly. Where none has, only its functions are looked at. So they are where the node
    cannot try a transfer, and for a book that acts that is a fault of its own.

    Raises: UnreadableError where the node cannot tell, NodeError.
    """
    trial = await _trial(reader, token, holders)
    calls = [_read(token, each, arguments) for each, arguments in _REBASING]
    calls += _there_and_back(trial)
    try:
        told = await _simulated(reader, calls, at)
    except MethodMissingError as error:
        return await _untried(reader, token, error, acts=acts)
    except CallRevertedError as error:
        raise UnreadableError(
            f"the node does not tell what token {token} does (eth_simulateV1): {error}"
        ) from None
    for (each, _), answer in zip(_REBASING, told, strict=False):
        if answer.succeeded and len(answer.returned) >= 32:
            return f"token {token} is a rebasing one: it answers {each.name}"
    return _verdict(trial, told[len(_REBASING) :])


async def _simulated(
    reader: ContractReader, calls: Sequence[CallToSimulate], at: BlockRef
) -> list[SimulatedCall]:
    """Simulate calls in whichever way the node supports. Raises: MethodMissingError where it supports none, NodeError."""
    try:
        return await reader.simulate(calls, Seconds(at.timestamp_s + _BLOCK_S))
    except RequestRefusedError as error:
        log.warning("simulates by eth_call", error=str(error))
        try:
            return await reader.simulate_by_override(calls)
        except RequestRefusedError as other:
            raise MethodMissingError(f"{error}; with state overrides, {other}") from None


async def _untried(
    reader: ContractReader, token: Address, error: MethodMissingError, *, acts: bool
) -> str | None:
    """Judge a token by its functions alone."""
    told = await reader.ask([Ask(token, each, arguments) for each, arguments in _REBASING])
    for (each, _), answer in zip(_REBASING, told, strict=True):
        if not isinstance(answer, UnreadableError):
            return f"token {token} is a rebasing one: it answers {each.name}"
    return (
        f"what a transfer of token {token} does cannot be tried, as a live book needs: {error}"
        if acts
        else None
    )


async def _trial(reader: ContractReader, token: Address, holders: Sequence[Address]) -> TransferTrial:
    told = await reader.ask([Ask(token, _BALANCE, (holder,)) for holder in holders])
    has = [0 if isinstance(each, UnreadableError) else int(each[0]) for each in told]
    if not any(has):
        return TransferTrial(token=token, holder=_NOBODY, amount=RawAmount(0))
    most = max(has)
    amount = min(most, max(most // _PART, _LEAST))
    return TransferTrial(token=token, holder=holders[has.index(most)], amount=RawAmount(amount))


def _there_and_back(trial: TransferTrial) -> list[CallToSimulate]:
    if not trial.amount:
        return []
    here, there = (_read(trial.token, _BALANCE, (who,)) for who in (trial.holder, _NOBODY))
    sent = _transfer(trial.token, trial.holder, _NOBODY, trial.amount)
    returned = _transfer(trial.token, _NOBODY, trial.holder, trial.amount)
    return [here, there, sent, here, there, returned, here, there]


def _read(token: Address, called: Function, arguments: Sequence[object]) -> CallToSimulate:
    return CallToSimulate(sender=_NOBODY, to=token, data=called.calldata(*arguments), gas_limit=_READ_GAS)


def _transfer(token: Address, sender: Address, recipient: Address, amount: RawAmount) -> CallToSimulate:
    data = _TRANSFER.calldata(recipient, amount)
    return CallToSimulate(sender=sender, to=token, data=data, gas_limit=_TRANSFER_GAS)


def _verdict(trial: TransferTrial, told: Sequence[SimulatedCall]) -> str | None:
    """Compare what was debited and credited with what was sent, there and back; a transfer may return nothing."""
    if not told:
        return None
    legs = (told[0:5], (told[4], told[3], told[5], told[7], told[6]))
    for gives_before, gets_before, sent, gives_after, gets_after in legs:
        if not sent.succeeded or (sent.returned and not any(sent.returned)):
            return (
                f"token {trial.token} cannot be sent: a transfer of {trial.amount} from {trial.holder} fails"
            )
        left = _amount(trial, gives_before) - _amount(trial, gives_after)
        came = _amount(trial, gets_after) - _amount(trial, gets_before)
        if not left == came == trial.amount:
            return f"token {trial.token} takes a fee on transfers: of {trial.amount} sent, {left} left and {came} came"
    return None


def _amount(trial: TransferTrial, read: SimulatedCall) -> int:
    if not read.succeeded:
        raise UnreadableError(f"balances of token {trial.token} cannot be read in a simulation")
    return int(_BALANCE.answer(read.returned)[0])
