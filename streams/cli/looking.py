"""Look at an owner's positions once, or again at each new block for as long as the command runs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import PASSING_TROUBLE, SettingsError
from pipeline.messages.base import BlockRef
from pipeline.units import Hash
from streams.backoff import Reminder, backoff_s
from streams.cli.console import say
from streams.look.owner_report import Glance, look_at_owner
from streams.node.http_node import HttpNode
from streams.redaction import is_node_url, redact, remember_secret
from streams.settings import Settings

_TIMEOUT_S = 10.0
_POLL_S = 1.0
"""Between two questions for the newest block."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
"""After trouble with the node."""
_REMIND_S = 60.0


class LookAsked(NamedTuple):
    """What is to be looked at, and of which node."""

    owner: str
    rpc: str | None
    block: int | None
    """None: the newest."""
    chain: Path | None
    """A file that describes the chain."""


async def looks(settings: Settings, asked: LookAsked, *, again: bool) -> AsyncIterator[Glance]:
    """Look once, or `again` at each new block; then a node that has trouble is asked again, and that is said.

    Raises: SettingsError where owner or deployment are not known, UnreadableError, NodeError at the first look.
    """
    url = settings.rpc_urls[0] if asked.rpc is None else asked.rpc
    if not is_node_url(url):
        raise SettingsError("--rpc: must be an http:// or https:// URL")
    remember_secret(url)
    node = HttpNode(url, timeout_s=_TIMEOUT_S)
    try:
        first = await _glance(node, asked, settings)
        yield first
        if not again:
            return
        async for head in _new_heads(node, first.head.block.hash):
            try:
                seen = await _glance(node, asked, settings)
            except PASSING_TROUBLE as error:
                say(f"block {head.number} is not shown: {redact(str(error))}")
            else:
                yield seen
    finally:
        await node.close()


async def _glance(node: HttpNode, asked: LookAsked, settings: Settings) -> Glance:
    return await look_at_owner(
        node, asked.owner, block=asked.block, chain_file=asked.chain, folder=settings.folder
    )


async def _new_heads(node: HttpNode, last: Hash) -> AsyncIterator[BlockRef]:
    """Poll the node for a newest block that is another than the last; a chain that stands still gives none."""
    failures, reminder = 0, Reminder(_REMIND_S)
    while True:
        await asyncio.sleep(
            backoff_s(failures, first_s=_FIRST_WAIT_S, most_s=_LONGEST_WAIT_S) if failures else _POLL_S
        )
        try:
            head = (await node.newest()).block
        except PASSING_TROUBLE as error:
            failures += 1
            if reminder.is_due():
                say(f"the node does not answer, it is asked again: {redact(str(error))}")
            continue
        failures, reminder = 0, Reminder(_REMIND_S) if failures else reminder
        if head.hash != last:
            last = head.hash
            yield head
