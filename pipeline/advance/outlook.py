"""What a whole plan would come to on the book as it is: asked before it is opened, and again before it withdraws."""

from pipeline import keys
from pipeline.advance.assessed import assessed
from pipeline.advance.turn import Turn
from pipeline.errors import PipelineError
from pipeline.foresee import Foreseen, foresee, share_to_hold
from pipeline.goal import choose_goal, liquidity_to_move
from pipeline.guard import Refusal
from pipeline.inventory import Stock
from pipeline.market import read_market
from pipeline.messages.effects import Goal
from pipeline.messages.entries import NftPosition
from pipeline.partial import brings_into_range, comes_nearer, largest_step
from pipeline.units import RawAmount, TokenId


def look_ahead(turn: Turn, stock: Stock) -> tuple[Goal, Foreseen] | Refusal:
    """Choose the goal, and tell what it would come to with all that its withdrawal pays.

    Where its swap would be cut short, it is the largest step towards it, if that is worth taking.
    """
    shard, policy = turn.shard, turn.policy
    try:
        leaving = liquidity_to_move(shard, policy)
        freed = _freed(turn, leaving)
        goal = choose_goal(shard, policy, leaving, share_to_hold(shard, policy, stock, freed))
    except PipelineError as error:
        return Refusal(reason="no_goal", detail=str(error))
    try:
        market = read_market(shard, policy, turn.block.timestamp_s, turn.base_fee_wei)
        foreseen = foresee(shard, policy, goal, market, stock, freed=freed)
        step = largest_step(shard, policy, goal, market, stock, whole=foreseen, freed=freed)
    except PipelineError as error:
        return Refusal(reason="not_plannable", detail=str(error))
    if policy.action.large_swaps == "refuse" and foreseen.swap.pays_sandwich:
        return goal, foreseen
    if step is not None and (comes_nearer(step[1], policy) or brings_into_range(step[1], policy)):
        return step
    return goal, foreseen


def _freed(turn: Turn, leaving: tuple[TokenId, ...]) -> tuple[RawAmount, RawAmount]:
    """Add up what leaving NFTs pay: principal and fees."""
    shard = turn.shard
    nfts = [keys.position(turn.policy.chain.position_manager, token_id) for token_id in leaving]
    held = [assessed(shard, nft, shard.tables.need(nft, NftPosition)) for nft in nfts]
    return (
        RawAmount(sum(each.principal0 + each.fees0 for each in held)),
        RawAmount(sum(each.principal1 + each.fees1 for each in held)),
    )
