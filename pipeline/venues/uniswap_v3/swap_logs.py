"""A pool's Swap log, read fast: nine of ten logs that a pool emits are swaps."""

from pipeline.messages.base import RawLog
from pipeline.units import Address, Liquidity, RawAmount, SqrtPriceX96, Tick
from pipeline.venues.uniswap_v3.forms.facts import Swapped

_TOPIC_CHARACTERS, _DATA_CHARACTERS, _BYTES = 66, 322, 224
_NO_ADDRESS = bytes(12)
_MIN_TICK, _MAX_TICK = -(1 << 23), (1 << 23) - 1


def read_swap(log: RawLog) -> Swapped | None:
    """Read a Swap log whose every word is within its type; None for any other, which the checked decoder tells the fault of."""
    topics, data = log.topics, log.data
    if len(topics) != 3 or len(topics[1]) != _TOPIC_CHARACTERS or len(topics[2]) != _TOPIC_CHARACTERS:
        return None
    if len(data) != _DATA_CHARACTERS or not topics[1][:2] == topics[2][:2] == data[:2] == "0x":
        return None
    try:
        raw = bytes.fromhex(topics[1][2:] + topics[2][2:] + data[2:])
    except ValueError:
        return None
    number = int.from_bytes
    price, liquidity = number(raw[128:160], "big"), number(raw[160:192], "big")
    tick = number(raw[192:224], "big", signed=True)
    fits = not price >> 160 and not liquidity >> 128 and _MIN_TICK <= tick <= _MAX_TICK
    # blanks within the digits would make it shorter
    if len(raw) != _BYTES or not fits or not raw[:12] == raw[32:44] == _NO_ADDRESS:
        return None
    return Swapped(
        address=log.address,
        log_index=log.log_index,
        sender=Address("0x" + raw[12:32].hex()),
        recipient=Address("0x" + raw[44:64].hex()),
        amount0_delta=RawAmount(number(raw[64:96], "big", signed=True)),
        amount1_delta=RawAmount(number(raw[96:128], "big", signed=True)),
        sqrt_price_x96=SqrtPriceX96(price),
        liquidity=Liquidity(liquidity),
        tick=Tick(tick),
    )
