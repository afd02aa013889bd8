"""End the demo: verify every shard, and compare each inventory with what closing every position would pay."""

from fractions import Fraction

from pipeline.advance.books import stock_of
from pipeline.state.policies import policies
from pipeline.state.shard import Shard
from pipeline.units import ChainId, ShardId
from streams.cli.demo.second_opinion import inventory_at
from streams.cli.demo.stage import Stage
from streams.kafka.access import KafkaAccess
from streams.kafka.readers import reading
from streams.node.http_node import HttpNode
from streams.verify import Verdict, against_the_chain, against_the_fold, load_shard


async def judge(stage: Stage, kafka: KafkaAccess, partitions: int) -> Verdict:
    """Compare everything. The shards must stand at the chain's head."""
    verdict, chain_id = Verdict(), ChainId(stage.world.chain_id)
    node = HttpNode(stage.devnet.rpc_url)
    try:
        async with reading(kafka) as reader:
            for number in sorted(stage.shards(partitions)):
                shard = await load_shard(reader, chain_id, ShardId(number))
                _at_the_head(stage, shard, verdict)
                await against_the_chain(node, shard, verdict)
                await against_the_fold(reader, chain_id, shard, verdict)
                _against_the_contracts(stage, shard, verdict)
    finally:
        await node.close()
    return verdict


def _at_the_head(stage: Stage, shard: Shard, verdict: Verdict) -> None:
    newest, head = stage.devnet.chain.header(), shard.tables.head
    if head is None or head.hash != newest.hash:
        verdict.wrong.append(f"shard {shard.id} stands at {head}, the chain at block {newest.number}")


def _against_the_contracts(stage: Stage, shard: Shard, verdict: Verdict) -> None:
    """Compare each book's inventory with what burning and collecting everything would pay."""
    head = stage.devnet.chain.header()
    for policy in policies(shard.tables):
        ours = stock_of(shard, policy)
        theirs = inventory_at(stage.devnet.chain, stage.world, stage.terms(policy.book), head.number)
        verdict.compared["inventories"] += 1
        verdict.compared["values of tokens"] += len(theirs.values_quote)
        names = ("base_amount", "quote_amount", "value_quote", "values_quote", "base_share_bps")
        mine_of = {name: getattr(ours, name) for name in names}
        mine_of["base_price"] = Fraction(*ours.base_price.ratio)
        for name, mine in mine_of.items():
            found = getattr(theirs, name)
            if mine != found:
                verdict.wrong.append(f"{policy.book} {name}: {mine}, the chain's {found}")
