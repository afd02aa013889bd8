"""Test by simulation whether a profile's contracts take the calls of a re-range.

Somebody who has nothing is given a little by the pool, swaps it through the router, mints, and withdraws again.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec
from eth_utils.address import to_checksum_address
from msgspec.structs import replace

from pipeline.act.allowances import APPROVE_GAS, write_approve
from pipeline.errors import CallRevertedError, MethodMissingError, UnreadableError
from pipeline.math.ticks import MIN_SQRT_PRICE_X96
from pipeline.messages.base import BlockRef
from pipeline.messages.policy import Policy
from pipeline.units import Address, Liquidity, Pips, RawAmount, Seconds, SqrtPriceX96, Tick, TokenId
from pipeline.venues.abi import function
from pipeline.venues.uniswap_v3.act.drafts import MINT_GAS, SWAP_GAS
from pipeline.venues.uniswap_v3.act.withdrawals import WITHDRAW_GAS
from pipeline.venues.uniswap_v3.calldata import (
    Withdrawal,
    write_mint,
    write_swap,
    write_withdraw,
)
from streams.node.contract_calls import ContractReader
from streams.node.port import CallToSimulate, SimulatedCall
from streams.node.venues.port import ContractFault

if TYPE_CHECKING:
    from streams.node.client import Client

_NOBODY = Address("0x000000000000000000000000000065766e6b6565")
"""Has never had anything."""
_TOKEN = "tokens/ERC20"  # noqa: S105 - an interface
_POOL, _FACTORY = "uniswap-v3/UniswapV3Pool", "uniswap-v3/UniswapV3Factory"
_MANAGER, _ROUTER = "uniswap-v3/NonfungiblePositionManager", "uniswap-v3/SwapRouter02"
_BALANCE, _TRANSFER = function(_TOKEN, "balanceOf"), function(_TOKEN, "transfer")
_READ_GAS, _TRANSFER_GAS = 300_000, 1_500_000
_BLOCK_S = 12
_PART = 1_000
"""So little of what the pool has is borrowed from it."""
_SPACINGS = 10
"""Half the width of the range that is tried."""


class _Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The pool at a block, and how much of its tokens may be borrowed for the trial."""

    tokens: tuple[Address, Address]
    fee_pips: Pips
    ticks: tuple[Tick, Tick]
    amounts: tuple[RawAmount, RawAmount]


async def contract_faults(
    client: "Client", reader: ContractReader, policy: Policy, at: BlockRef
) -> AsyncIterator[ContractFault]:
    """Find what is wrong with the contracts through which a book would act, at one block. Raises: NodeError."""
    policy = _as_at_the_first(policy)
    setting = await _setting(client, policy)
    if setting is None:
        yield ContractFault(field="factory", says=f"{policy.reference_pool} is not a pool that can be tried")
        return
    async for fault in _strangers(client, policy, setting):
        yield fault
    if policy.chain.router is None:
        return
    try:
        tried = await _tried(reader, policy, setting, at)
    except MethodMissingError as error:
        if policy.mode != "live":
            return
        tried = ContractFault(
            field="router", says=f"its calls cannot be tried, as a live book needs: {error}"
        )
    except CallRevertedError as error:
        tried = ContractFault(field="router", says=f"its calls cannot be run: {error}")
    if tried is not None:
        yield tried


def _as_at_the_first(policy: Policy) -> Policy:
    """Put the contracts of the deployment where a book acts in place of the first deployment's."""
    spec = policy.chain.venue(policy.acting_venue())
    if spec is None:
        return policy
    places = {each.role: each.address for each in spec.contracts}
    return replace(policy, chain=replace(policy.chain, **{"router": None, **places}))


async def _setting(client: "Client", policy: Policy) -> _Setting | None:
    pool = client.contract(policy.reference_pool, _POOL).functions
    parts = [pool.token0(), pool.token1(), pool.fee(), pool.tickSpacing(), pool.slot0()]
    try:
        (token0,), (token1,), (fee,), (spacing,), slot0 = await client.need(parts)
    except UnreadableError:
        return None
    holder = to_checksum_address(policy.reference_pool)
    balances = [client.contract(token, _TOKEN).functions.balanceOf(holder) for token in (token0, token1)]
    held = await client.ask(balances)
    amounts = [0 if isinstance(each, UnreadableError) else int(each[0]) // _PART for each in held]
    here = int(slot0[1]) // spacing * spacing
    return _Setting(
        tokens=(Address(token0), Address(token1)),
        fee_pips=Pips(fee),
        ticks=(Tick(here - _SPACINGS * spacing), Tick(here + _SPACINGS * spacing)),
        amounts=(RawAmount(amounts[0]), RawAmount(amounts[1])),
    )


async def _strangers(client: "Client", policy: Policy, setting: _Setting) -> AsyncIterator[ContractFault]:
    """Find contracts that belong to another deployment than the pool does."""
    chain = policy.chain
    factory = client.contract(chain.factory, _FACTORY).functions
    manager = client.contract(chain.position_manager, _MANAGER).functions
    expected = {
        "factory": (policy.reference_pool, "its pool of these tokens and this fee"),
        "position_manager": (chain.factory, "its factory"),
        "wrapped_native": (chain.wrapped_native, "the position manager's wrapped native token"),
    }
    pool_of = factory.getPool(*map(to_checksum_address, setting.tokens), setting.fee_pips)
    told = await client.ask([pool_of, manager.factory(), manager.WETH9()])
    for (field, (address, what)), answer in zip(expected.items(), told, strict=True):
        if isinstance(answer, UnreadableError):
            yield ContractFault(field=field, says=str(answer))
        elif answer[0] != address:
            yield ContractFault(field=field, says=f"{what} is {answer[0]}, not {address}")
    if chain.router is not None:
        (made_by,) = await client.ask([client.contract(chain.router, _ROUTER).functions.factory()])
        if not isinstance(made_by, UnreadableError) and made_by[0] != chain.factory:  # else its swap tells
            yield ContractFault(field="router", says=f"its factory is {made_by[0]}, not {chain.factory}")


# ------------------------------------------------------------------ the calls themselves
async def _tried(
    reader: ContractReader, policy: Policy, setting: _Setting, at: BlockRef
) -> ContractFault | None:
    """Simulate a plan's swap, mint and withdrawal; name the first that does not do its work."""
    if not all(setting.amounts):
        return ContractFault(
            field="router", says=f"pool {policy.reference_pool} has too little to try a swap with"
        )
    time_s = Seconds(at.timestamp_s + _BLOCK_S)
    calls = [*_borrow(policy, setting), *_swap(policy, setting, time_s), *_mint(policy, setting, time_s)]
    told = await reader.simulate(calls, time_s)
    swapped, minted = told[_SWAPPED], told[_MINTED]
    if not all(each.succeeded for each in told[:_BEFORE_SWAP]):
        return ContractFault(
            field="router", says=f"tokens of pool {policy.reference_pool} cannot be sent and approved"
        )
    if not swapped.succeeded:
        return ContractFault(
            field="router", says=f"{policy.chain.router} does not take the swap of a plan: {_why(swapped)}"
        )
    came = _amount(told[_SWAPPED + 1]) - _amount(told[_SWAPPED - 1])
    if came <= 0:
        return ContractFault(
            field="router", says=f"{policy.chain.router} takes a swap's input and pays nothing"
        )
    position = _position(minted)
    if position is None:
        return ContractFault(
            field="position_manager",
            says=f"{policy.chain.position_manager} does not take the mint of a plan: {_why(minted)}",
        )
    (withdrawn,) = (await reader.simulate([*calls, _withdraw(policy, position, time_s)], time_s))[-1:]
    if not withdrawn.succeeded:
        says = f"{policy.chain.position_manager} does not take the withdrawal of a plan: {_why(withdrawn)}"
        return ContractFault(field="position_manager", says=says)
    return None


_BEFORE_SWAP, _SWAPPED, _MINTED = 3, 4, 8
"""Where in the calls the borrowing and its allowance end, the swap is, and the mint."""


def _borrow(policy: Policy, setting: _Setting) -> list[CallToSimulate]:
    return [
        _call(policy.reference_pool, token, _TRANSFER.calldata(_NOBODY, amount), _TRANSFER_GAS)
        for token, amount in zip(setting.tokens, setting.amounts, strict=True)
    ]


def _swap(policy: Policy, setting: _Setting, time_s: Seconds) -> list[CallToSimulate]:
    """Approve and sell half of the borrowed token0, reading the balance of token1 before and after."""
    router, amount = policy.chain.router, RawAmount(setting.amounts[0] // 2)
    assert router is not None
    data = write_swap(
        token_in=setting.tokens[0],
        token_out=setting.tokens[1],
        fee_pips=setting.fee_pips,
        recipient=_NOBODY,
        amount_in=amount,
        minimum_out=RawAmount(0),
        limit_x96=SqrtPriceX96(MIN_SQRT_PRICE_X96 + 1),
        deadline_s=time_s,
    )
    read = _call(_NOBODY, setting.tokens[1], _BALANCE.calldata(_NOBODY), _READ_GAS)
    return [_approve(setting.tokens[0], router, amount), read, _call(_NOBODY, router, data, SWAP_GAS), read]


def _mint(policy: Policy, setting: _Setting, time_s: Seconds) -> list[CallToSimulate]:
    manager = policy.chain.position_manager
    amounts = RawAmount(setting.amounts[0] // 4), RawAmount(setting.amounts[1] // 4)
    data = write_mint(
        token0=setting.tokens[0],
        token1=setting.tokens[1],
        fee_pips=setting.fee_pips,
        ticks=setting.ticks,
        amounts=amounts,
        minimums=(RawAmount(0), RawAmount(0)),
        recipient=_NOBODY,
        deadline_s=time_s,
    )
    approvals = [_approve(t, manager, amount) for t, amount in zip(setting.tokens, amounts, strict=True)]
    return [*approvals, _call(_NOBODY, manager, data, MINT_GAS)]


def _withdraw(policy: Policy, position: tuple[TokenId, Liquidity], time_s: Seconds) -> CallToSimulate:
    token_id, liquidity = position
    nothing = RawAmount(0)
    all_of_it = Withdrawal(token_id=token_id, liquidity=liquidity, minimum0=nothing, minimum1=nothing)
    data = write_withdraw([all_of_it], recipient=_NOBODY, deadline_s=time_s)
    return _call(_NOBODY, policy.chain.position_manager, data, WITHDRAW_GAS)


def _approve(token: Address, spender: Address, amount: RawAmount) -> CallToSimulate:
    return _call(_NOBODY, token, write_approve(spender, amount), APPROVE_GAS)


def _call(sender: Address, to: Address, data: str, gas_limit: int) -> CallToSimulate:
    return CallToSimulate(sender=sender, to=to, data=data, gas_limit=gas_limit)


# ------------------------------------------------------------------ their answers
def _position(minted: SimulatedCall) -> tuple[TokenId, Liquidity] | None:
    try:
        token_id, liquidity, _, _ = function(_MANAGER, "mint").answer(minted.returned)
    except UnreadableError:
        return None
    return (TokenId(token_id), Liquidity(liquidity)) if minted.succeeded and liquidity else None


def _amount(read: SimulatedCall) -> int:
    return int(_BALANCE.answer(read.returned)[0]) if read.succeeded else 0


def _why(call: SimulatedCall) -> str:
    return f"0x{call.returned.hex()[:200]}" if call.returned else call.reason or "it fails and says nothing"
