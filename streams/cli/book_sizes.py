"""Compare a book's size with what its pool takes at once, by a node's answers, before the book may act."""

from collections.abc import Sequence

from pipeline.act.guards import GuardRefusal
from pipeline.advance.book_context import BookContext
from pipeline.advance.sizing import Size, size_now
from pipeline.errors import NodeError, PipelineError, UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.policy import Policy
from pipeline.state.provenance import Provenance
from pipeline.units import Wei
from streams.book_read import read_book
from streams.cli.chain_checks import asking
from streams.human_numbers import bps_text, rounded_amount_text
from streams.node.port import Node
from streams.portfolio.words import address_text
from streams.settings import Settings


async def sizes_now(settings: Settings, policies: Sequence[Policy]) -> list[str]:
    """Ask the node, if there is one, whether one mint of each book that may act fits the depth of its pool now."""
    acting = [policy for policy in policies if policy.mode != "watch"]
    if not settings.rpc_url or not acting:
        return []
    try:
        async with asking(settings, acting[0].chain.chain_id) as asked:
            return [await _size(asked.node, policy, asked.at) for policy in acting]
    except NodeError as error:
        return [f"the node was not asked which size of a book fits: {error}"]


async def _size(node: Node, policy: Policy, at: BlockRef) -> str:
    try:
        shard = await read_book(node, policy, at)
        moment = Provenance(shard=shard.id, offset=shard.cursor, block=at, chain_id=policy.chain.chain_id)
        size = size_now(BookContext(shard=shard, policy=policy, block=at, base_fee_wei=Wei(0), now=moment))
    except (UnreadableError, PipelineError) as error:
        return f"book {policy.book}: which size fits is not known: {error}"
    if isinstance(size, GuardRefusal):
        return f"book {policy.book}: which size fits is not known: {size.reason}: {size.detail}"
    return f"book {policy.book}: {_said(policy, size)}"


def _said(policy: Policy, size: Size) -> str:
    mint, most = _quote(policy, size.mint_quote), _quote(policy, size.most_quote)
    share = bps_text(policy.limits.signer.max_share_of_depth_bps)
    pool = address_text(policy, policy.reference_pool)
    fits = f"pool {pool} takes at most {most} in one mint now (limits.signer.max_share_of_depth {share})"
    if size.fits:
        return f"it would mint {mint}; {fits}"
    return (
        f"it would mint {mint}, more than fits: {fits}; its plans would be refused (depth) until it is smaller, "
        "its pool deeper or the share larger, here and in the signer's file"
    )


def _quote(policy: Policy, raw: int) -> str:
    symbol = next(each.symbol for each in policy.tokens if each.address == policy.quote)
    return f"{rounded_amount_text(raw, policy.decimals(policy.quote))} {symbol}"
