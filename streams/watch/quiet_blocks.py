"""Prove from headers and accounts which blocks can hold nothing for a shard.

A header that is proven by its hash has a bloom that holds the address and topics of every log of its block. A transaction raises its
sender's nonce. So a block whose bloom lacks what the shard's logs must hold, and in which no account's nonce rose, is quiet for certain.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from pipeline.follow.log_filter import LogFilter
from pipeline.units import Address, Wei
from streams.node.answers import bloom_bits
from streams.node.port import Header, Node

_WORTH_ASKING = 8
"""The least number of blocks: for fewer, asking for an account at both ends is more than asking for its balance at each."""


class AccountsAt(NamedTuple):
    """What is known of accounts at a block."""

    native_wei: dict[Address, Wei | None]
    """What they have after it; None where the node no longer has the state."""
    silent: frozenset[Address] = frozenset()
    """Those that certainly sent no transaction in it."""


class QuietTest:
    """Decides from headers whether their blocks can hold a log or a receipt that concerns a shard."""

    def __init__(self, mine: LogFilter) -> None:
        """Set what a shard follows now."""
        self._senders = mine.senders
        self._alternatives = [
            (_masks(words.addresses), None if words.topics is None else _masks(words.topics))
            for words in mine.words()
        ]

    def is_quiet(self, header: Header, silent: frozenset[Address]) -> bool:
        """Return whether a block certainly holds nothing for the shard; where that is unknown, it may hold something."""
        if not header.is_bloom_proven or (header.transactions and not self._senders <= silent):
            return False
        bloom = header.logs_bloom
        return not bloom or not any(
            _holds_one(bloom, addresses) and (topics is None or _holds_one(bloom, topics))
            for addresses, topics in self._alternatives
        )


async def accounts_over(
    node: Node, accounts: Collection[Address], senders: Collection[Address], headers: Sequence[Header]
) -> list[AccountsAt]:
    """Read what accounts have after each of consecutive blocks, and in which of them the senders sent nothing.

    An account without code that sent nothing from the first block to the last can have received coin, and have spent none: where it
    has the same before the first and after the last, it had that in between. Its balance is asked for at both ends only. The others'
    are asked for at each block.

    Raises: NodeError.
    """
    asked = sorted({*accounts, *senders})
    if len(headers) < _WORTH_ASKING or not asked:
        return await _each_balance(node, sorted(accounts), headers)
    first, last = headers[0].block.parent_hash, headers[-1].block.hash
    states = await node.accounts([(account, at) for at in (first, last) for account in asked])
    told = [state for state in states if state is not None]
    if len(told) < len(states):
        return await _each_balance(node, sorted(accounts), headers)
    ends = list(zip(asked, told, told[len(asked) :], strict=False))
    silent = frozenset(account for account, before, after in ends if before.nonce == after.nonce)
    steady = {
        account: after.wei
        for account, before, after in ends
        if account in silent and before.wei == after.wei and not (before.has_code or after.has_code)
    }
    each = await _each_balance(node, sorted(set(accounts) - steady.keys()), headers)
    known = {account: steady[account] for account in accounts if account in steady}
    return [AccountsAt({**known, **at.native_wei}, silent) for at in each]


async def _each_balance(
    node: Node, accounts: Sequence[Address], headers: Sequence[Header]
) -> list[AccountsAt]:
    questions = [(account, header.block.hash) for header in headers for account in accounts]
    answers = iter(await node.native_balances(questions) if questions else ())
    return [AccountsAt({account: next(answers) for account in accounts}) for _ in headers]


def _masks(words: Iterable[str]) -> list[int]:
    return [bloom_bits(word) for word in words]


def _holds_one(bloom: int, masks: Sequence[int]) -> bool:
    return any(bloom & mask == mask for mask in masks)
