"""Read what accounts hold at one block, and the allowances that they have given."""

from collections.abc import AsyncIterator, Mapping, Sequence

from pipeline import keys
from pipeline.errors import UnreadableError
from pipeline.messages.events import ObservationFailed
from pipeline.units import NATIVE, Address, RawAmount
from pipeline.venues.due_read import DueRead
from pipeline.venues.wallet.forms import BalanceObserved
from streams.node.contract_calls import Ask, ContractReader, method
from streams.node.tokens import token_fault
from streams.node.venues.port import Read, ReadContext

_BALANCE = method("tokens/ERC20", "balanceOf")
_ALLOWANCE = method("tokens/ERC20", "allowance")
_NATIVE_BALANCE = method("multicall/Multicall3", "getEthBalance")


async def read_balances(
    reader: ContractReader, place: ReadContext, wants: Sequence[DueRead]
) -> AsyncIterator[BalanceObserved | ObservationFailed]:
    """Read balances, and for a token that is new to a shard whether it can be followed. Raises: NodeError."""
    pairs = [keys.balance.parse(want.item) for want in wants]
    amounts = await _balances(reader, pairs)
    new = {token for want, (_, token) in zip(wants, pairs, strict=True) if want.why != "check"}
    faults = {token: await _token_fault(reader, place, token) for token in sorted(new)}
    for want, (account, token), amount in zip(wants, pairs, amounts, strict=True):
        if (fault := faults.get(token)) is not None:
            yield place.failed(want, fault)
            continue
        if isinstance(amount, UnreadableError):
            yield place.failed(want, amount)
            continue
        yield BalanceObserved(
            term=place.term, block=place.block, why=want.why, account=account, token=token, amount=amount
        )


async def read_allowances(
    reader: ContractReader, triples: Sequence[tuple[Address, Address, Address]]
) -> list[RawAmount | UnreadableError]:
    """Read allowances by (owner, token, spender)."""
    told = await reader.ask([Ask(token, _ALLOWANCE, (owner, spender)) for owner, token, spender in triples])
    return [each if isinstance(each, UnreadableError) else RawAmount(each[0]) for each in told]


async def _balances(
    reader: ContractReader, pairs: Sequence[tuple[Address, Address]]
) -> list[RawAmount | UnreadableError]:
    told = await reader.ask(
        [
            Ask(reader.multicall, _NATIVE_BALANCE, (account,))
            if token == NATIVE
            else Ask(token, _BALANCE, (account,))
            for account, token in pairs
        ]
    )
    return [each if isinstance(each, UnreadableError) else RawAmount(each[0]) for each in told]


async def _token_fault(reader: ContractReader, place: ReadContext, token: Address) -> UnreadableError | None:
    """Explain why a token's balances cannot be followed by its transfers."""
    if token == NATIVE:
        return None
    try:
        fault = await token_fault(reader, token, place.holders, place.block, acts=token in place.acting)
    except UnreadableError as error:
        return error
    return None if fault is None else UnreadableError(fault)


READS: Mapping[str, Read] = {keys.balance.family: read_balances}
"""By the kinds of the wallets' items."""
