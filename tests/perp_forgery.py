"""Forged calls of the toy future, and what the signer's file allows of a call, without the signer's code."""

import random
from collections.abc import Iterator

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from hedged_play import DOLLAR, ETHER
from worlds.toy_perp.chain import PerpContract
from worlds.toy_perp.half import MARKET
from worlds.toy_perp.rules import ONE
from worlds.toy_perp.signer import PerpFields

from pipeline.messages.transactions import Call
from pipeline.units import Address
from pipeline.venues.abi import declared
from streams.devnet.chain import Chain
from streams.devnet.reads import ask

_LISTED = {
    called.partition("(")[0]: declared(called)
    for called in ("deposit(uint256)", "withdraw(uint256)", "request(int256,uint256)")
}
_UNLISTED = ("execute(address)", "liquidate(address)", "lose(address)", "setPrice(uint256)")
LARGEST_SIZE = 40 * ETHER
WITHIN_BPS, LEAST_EQUITY_BPS = (
    PerpFields.model_fields[name].default for name in ("within_bps", "least_equity_bps")
)
"""What the signer's file allows: how large a short may be, how far an order's price may be off, and what must be left of the short."""
_DEARER = 0.04
"""How much the base may become dearer from a signature to its block, or to that of the order's execution."""
_PRICE_SLACK = 0.03
"""How far this judge's price may lie from that of the signer's references."""


def forged_call(chain: Chain, perp: PerpContract, dice: random.Random, owner: str) -> Call:
    """Draw a call: mostly of an allowed function, with an amount that may be far too large and a price that may be far off."""
    price = ask(chain, perp.at, MARKET)[0]
    *_, equity = perp.truth(chain, owner)
    if dice.random() < 0.15:
        called = declared(dice.choice(_UNLISTED))
        return _call(perp, called.calldata(owner if "address" in called.inputs else price * 2))
    name = dice.choice(("deposit", "withdraw", "withdraw", "request", "request", "request"))
    if name == "deposit":
        data = _LISTED[name].calldata(int(10 ** dice.uniform(0, 6) * DOLLAR))
    elif name == "withdraw":
        data = _LISTED[name].calldata(int(max(equity, DOLLAR) * dice.uniform(0, 1.1)))
    else:
        steps = dice.choice((-1, 1)) * int(10 ** dice.uniform(0, 4))
        slip = dice.choice((0, 0.01, 0.04, 0.3, 1)) * (-1 if steps > 0 else 1)
        data = _LISTED[name].calldata(steps * ETHER // 100, int(price * (1 + slip)))
    return _call(perp, data + dice.choice(("", "", "", "00" * 32)))


def _call(perp: PerpContract, data: str) -> Call:
    return Call(to=Address(perp.at), data=data, gas_limit=300_000)


def faults_of_call(data: bytes, price: int) -> Iterator[str]:
    """List the faults of a call that no file allows: an unknown function, other bytes, or an order at a bad price."""
    found = next((each for each in _LISTED.values() if each.selector == data[:4]), None)
    if found is None:
        yield f"calls 0x{data[:4].hex()} of the future"
        return
    try:
        arguments = decode(found.inputs, data[4:])
    except DecodingError as error:
        yield f"{found.name}: {error}"
        return
    if encode(found.inputs, arguments) != data[4:]:
        yield f"{found.name} has other bytes than its arguments"
    if found.name == "request":
        change, limit = arguments
        most = WITHIN_BPS / 10_000 + _PRICE_SLACK
        if limit < price * (1 - most) if change > 0 else limit > price * (1 + most):
            yield f"an order of {change} at {limit / ONE:.3g}, where the price is {price / ONE:.3g}"


def faults_of_short(was: tuple[int, int, int], now: tuple[int, int, int]) -> Iterator[str]:
    """List the faults of a short at a block's end that no file allows, unless the price alone caused them. Each short is size, collateral and equity."""
    size, collateral, equity = now
    if size > max(LARGEST_SIZE, was[0]):
        yield f"a short of {size}, beyond the signer's file"
    if not size:
        return
    price = (collateral - equity) / size
    least = (LEAST_EQUITY_BPS / 10_000 - _DEARER) / (1 + _DEARER)
    before = (was[1] - was[0] * price) / (was[0] * price) if was[0] else 1
    if equity / (size * price) < min(least, before * 0.999):
        yield f"a short of {size} of which {equity} is left, beyond the signer's file"
