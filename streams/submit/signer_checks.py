"""Check the fields of a signer's file against each other: contradictions, and limits that limit nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streams.chain_numbers import DEVNET, is_known, numbers_of
from streams.human_numbers import amount_text, seconds_text
from streams.yaml_positions import Problem

if TYPE_CHECKING:
    from streams.submit.signer_file import SignerFile

_ETHER, _GWEI = 18, 9
_HOUR_S = 3_600
_TWAP_BLOCKS = 15
_MOST_BLOCK_S = 60
_LEAST_BLOCKS = 2
_MOST_WEI = {
    "max_gas_ether": 10 * 10**_ETHER,
    "max_gas_ether_per_day": 100 * 10**_ETHER,
    "gas_reserve_ether": 100 * 10**_ETHER,
}
_MOST_FEE_WEI = 10_000 * 10**_GWEI
_MOST_TIP_WEI = 1_000 * 10**_GWEI
_REPLACING_PERCENT = 112
"""Of both fees: nodes take a cancellation from 10 % more on."""
_LOSS_PART = 10
"""No transaction may lose more than a tenth: a day that may lose more than that of all it moves has no limit."""


def problems_in_signer(file: "SignerFile") -> Iterator[Problem]:
    """Find settings that contradict each other or cannot be meant."""
    yield from _key(file)
    yield from _policies(file)
    yield from _budget(file)
    yield from _gas(file)
    yield from _relay(file)
    yield from _times(file)
    if file.sequencer.grace is not None and file.uptime_feed() is None:
        says = f"no uptime feed is known for chain {file.chain}: name one by uptime_feed"
        yield Problem(("sequencer", "grace"), says)


def _key(file: "SignerFile") -> Iterator[Problem]:
    if (file.keystore is None) == (file.devnet_account is None):
        yield Problem((), "name a keystore, or the devnet's account in devnet_account, and not both")
    if file.keystore is not None and file.password_file is None:
        yield Problem(("password_file",), "missing: the file with the keystore's password")
    if not file.pools and not file.venues:
        yield Problem(("pools",), "must name at least 1")


def _policies(file: "SignerFile") -> Iterator[Problem]:
    if file.policies is None and file.chain != DEVNET:
        yield Problem(
            ("policies",), "missing: each book and the version of its policy, as `evenkeel check` prints them"
        )
    if file.policies is not None and not file.policies:
        yield Problem(("policies",), "must name at least 1 book: it would act for none")


def _budget(file: "SignerFile") -> Iterator[Problem]:
    if file.max_notional_per_day < file.max_notional:
        says = f"{file.max_notional_per_day} is less than max_notional, {file.max_notional}: no such transaction would ever pass"
        yield Problem(("max_notional_per_day",), says)
    elif file.max_loss_per_day * _LOSS_PART > file.max_notional_per_day:
        says = f"{file.max_loss_per_day} is more than a tenth of max_notional_per_day, {file.max_notional_per_day}: it limits nothing"
        yield Problem(("max_loss_per_day",), says)


def _gas(file: "SignerFile") -> Iterator[Problem]:
    for name, most_wei in _MOST_WEI.items():
        wei = getattr(file, name)
        if wei > most_wei or (not wei and name != "gas_reserve_ether"):
            says = f"{_ether(wei)} is not above 0 and up to {_ether(most_wei)}"
            yield Problem((name,), says)
    if file.max_gas_ether > file.max_gas_ether_per_day:
        says = f"more than max_gas_ether_per_day, {_ether(file.max_gas_ether_per_day)}: a day would be over with it"
        yield Problem(("max_gas_ether",), says)
    if not 0 < file.max_fee_gwei <= _MOST_FEE_WEI:
        yield Problem(("max_fee_gwei",), f"is not above 0 and up to {_MOST_FEE_WEI // 10**_GWEI}")
    elif not file.min_tip_gwei <= file.max_tip_gwei <= min(_MOST_TIP_WEI, file.max_fee_gwei):
        says = f"is not within min_tip_gwei, max_fee_gwei and {_MOST_TIP_WEI // 10**_GWEI}"
        yield Problem(("max_tip_gwei",), says)
    elif not file.max_fee_gwei * _REPLACING_PERCENT <= file.cancel_max_fee_gwei * 100 <= _MOST_FEE_WEI * 200:
        says = f"must be at least 12% above max_fee_gwei and at most {2 * _MOST_FEE_WEI // 10**_GWEI}"
        yield Problem(("cancel_max_fee_gwei",), f"{says}: else a transaction at the cap cannot be cancelled")


def _relay(file: "SignerFile") -> Iterator[Problem]:
    if file.send_url is None and (file.public_after_blocks or file.send_method != "eth_sendRawTransaction"):
        yield Problem(("send_url",), "missing: the relay that send_method and public_after_blocks are for")


def _ether(wei: int) -> str:
    text = amount_text(wei, _ETHER)
    return text.rstrip("0").rstrip(".")


def _times(file: "SignerFile") -> Iterator[Problem]:
    chain = numbers_of(file.chain)
    block_s = file.block_time if file.block_time is not None else chain.block_s
    if not 1 <= block_s <= _MOST_BLOCK_S:
        yield Problem(("block_time",), f"{seconds_text(block_s)} is not within 1s to {_MOST_BLOCK_S}s")
    least_s = _LEAST_BLOCKS * block_s
    if not least_s <= file.max_deadline <= _HOUR_S:
        says = f"{seconds_text(file.max_deadline)} is not within {seconds_text(least_s)}, two blocks, and an hour"
        yield Problem(("max_deadline",), says)
    least_s = _TWAP_BLOCKS * block_s
    if file.twap_window < least_s:
        says = f"must be at least {seconds_text(least_s)}, {_TWAP_BLOCKS} blocks of {seconds_text(block_s)}"
        yield Problem(("twap_window",), says)
    for name in ("max_age_blocks", "bump_after_blocks"):
        blocks = getattr(file, name)
        if blocks is not None and blocks * block_s > _HOUR_S:
            yield Problem((name,), f"{blocks} blocks of {block_s} s are longer than an hour")
    depth = file.final_depth_blocks
    if depth is not None and is_known(file.chain) and depth * 2 < chain.final_depth_blocks:
        says = f"{depth} is less than half of the {chain.final_depth_blocks} blocks that reorgs of this chain may take"
        yield Problem(("final_depth_blocks",), says)
