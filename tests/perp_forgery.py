"""Calls of the toy future that a thief might have signed, and what the signer's file allows of one, worked out without the signer's code."""

import random
from collections.abc import Iterator

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from hedged_play import DOLLAR, ETHER
from worlds.toy_perp.chain import PerpContract
from worlds.toy_perp.half import MARKET
from worlds.toy_perp.rules import ONE

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
_PRICE_SLACK = 0.03
"""How far this judge's price may lie from that of the signer's references."""


def forged_call(chain: Chain, perp: PerpContract, dice: random.Random, owner: str) -> Call:
    """Draw a call: mostly one that may be signed, of an amount that may be far too large, at a price that may be far off."""
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


def faults_of_call(data: bytes, price: int, within_bps: int) -> Iterator[str]:
    """Name what a call of the future has that no file allows: another function, other bytes, or an order at a bad price."""
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
        most = within_bps / 10_000 + _PRICE_SLACK
        if limit < price * (1 - most) if change > 0 else limit > price * (1 + most):
            yield f"an order of {change} at {limit / ONE:.3g}, where the price is {price / ONE:.3g}"
