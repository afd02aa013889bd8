"""Step 1: raw logs become facts, in the view of the contract that emitted them."""

from collections.abc import Iterable

from pipeline.errors import MalformedLogError
from pipeline.messages.base import RawLog
from pipeline.messages.facts import Fact, Unreadable
from pipeline.units import Address
from pipeline.venues.uniswap_v3 import decode_manager_log, decode_pool_log
from pipeline.venues.wallet.token_logs import decode_token_log

_LONGEST_REASON = 500

Decoded = tuple[RawLog, Fact]


def decode(logs: Iterable[RawLog], pools: frozenset[Address], manager: Address) -> list[Decoded]:
    """Read a block's logs in order; leave out what tells nothing that is followed.

    A log with a known topic and an impossible shape stays in, as `Unreadable`.
    """
    decoded: list[Decoded] = []
    for log in logs:
        fact = _decode_log(log, pools, manager)
        if fact is not None:
            decoded.append((log, fact))
    return decoded


def _decode_log(log: RawLog, pools: frozenset[Address], manager: Address) -> Fact | None:
    try:
        if log.address in pools:
            return decode_pool_log(log)
        if log.address == manager:
            return decode_manager_log(log)
        return decode_token_log(log)
    except MalformedLogError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever a log is made of, only what it is about stops
        reason = f"{type(error).__name__}: {error}"
    return Unreadable(address=log.address, log_index=log.log_index, reason=reason[:_LONGEST_REASON])
