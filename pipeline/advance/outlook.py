"""What a whole plan would come to on the book as it is: asked before it is opened, and again before it withdraws."""

from pipeline import keys
from pipeline.act.foresight import Foreseen, foresee, share_to_hold
from pipeline.act.goal import choose_goal, liquidity_to_move
from pipeline.act.guards import GuardRefusal
from pipeline.act.market import read_market
from pipeline.act.partial_step import brings_into_range, comes_nearer, largest_step
from pipeline.advance.book_context import BookContext
from pipeline.book.inventory import Stock
from pipeline.errors import PipelineError
from pipeline.messages.effects import Goal
from pipeline.messages.entries import NftPosition
from pipeline.units import RawAmount, TokenId
from pipeline.venues.uniswap_v3.assess import held_nft


def look_ahead(context: BookContext, stock: Stock) -> tuple[Goal, Foreseen] | GuardRefusal:
    """Choose the goal, and tell what it would come to with all that its withdrawal pays.

    Where its swap would be cut short, it is the largest step towards it, if that is worth taking.
    """
    shard, policy = context.shard, context.policy
    try:
        leaving = liquidity_to_move(shard, policy)
        freed = _freed(context, leaving)
        goal = choose_goal(shard, policy, leaving, share_to_hold(shard, policy, stock, freed))
    except PipelineError as error:
        return GuardRefusal(reason="no_goal", detail=str(error))
    try:
        market = read_market(shard, policy, context.block.timestamp_s, context.base_fee_wei)
        foreseen = foresee(shard, policy, goal, market, stock, freed=freed)
        step = largest_step(shard, policy, goal, market, stock, whole=foreseen, freed=freed)
    except PipelineError as error:
        return GuardRefusal(reason="not_plannable", detail=str(error))
    if policy.action.large_swaps == "refuse" and foreseen.swap.pays_sandwich:
        return goal, foreseen
    if step is not None and (comes_nearer(step[1], policy) or brings_into_range(step[1], policy)):
        return step
    return goal, foreseen


def _freed(context: BookContext, leaving: tuple[TokenId, ...]) -> tuple[RawAmount, RawAmount]:
    """Add up what leaving NFTs pay: principal and fees."""
    shard = context.shard
    nfts = [keys.position(context.policy.chain.position_manager, token_id) for token_id in leaving]
    pays = [held_nft(shard, nft, shard.tables.need(nft, NftPosition)).pays for nft in nfts]
    return RawAmount(sum(pays0 for pays0, _ in pays)), RawAmount(sum(pays1 for _, pays1 in pays))
