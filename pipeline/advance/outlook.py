"""Compute what a whole plan would come to on the book as it is: before it is opened, and again before its first phase."""

from pipeline.act.foresight import Foreseen
from pipeline.act.question import GuardRefusal
from pipeline.advance.book_context import BookContext
from pipeline.book.inventory import Stock
from pipeline.errors import PipelineError
from pipeline.messages.goals import Goal


def look_ahead(context: BookContext, stock: Stock) -> tuple[Goal, Foreseen] | GuardRefusal:
    """Choose the goal, and compute the expected result of it, or of the largest step towards it."""
    shard, policy, actions = context.shard, context.policy, context.actions
    try:
        goal = actions.choose_goal(shard, policy, stock)
    except PipelineError as error:
        return GuardRefusal(reason="no_goal", detail=str(error))
    try:
        first = actions.phases_of(goal)[0].name
        market = actions.read_market(
            shard, policy, context.block.timestamp_s, context.base_fee_wei, phase=first
        )
        return actions.foresee(shard, policy, goal, market, stock)
    except PipelineError as error:
        return GuardRefusal(reason="not_plannable", detail=str(error))
