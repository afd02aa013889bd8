"""The measured process: a worker, or a bare loop that does the same work without Faust.

python streams_process.py worker|bare BOOTSTRAP CHAIN PARTITIONS FOLDER
"""

import asyncio
import logging
import signal
import sys
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from pipeline.state.shard import Shard
from pipeline.units import ChainId, Offset, ShardId
from streams.kafka.access import KafkaAccess
from streams.kafka.checkpoint.kafka import KafkaCheckpoint
from streams.kafka.clients import MAX_RECORD_BYTES
from streams.kafka.topics import EVENTS, TopicRecord
from streams.work.app import run_worker
from streams.work.fold import fold_record
from streams.work.keeper import BATCH_RECORDS

_SHARD = ShardId(0)


async def bare_loop(bootstrap: str, chain_id: ChainId) -> None:
    """Keep one shard: the worker's fold and the worker's transaction, and nothing else."""
    checkpoint = KafkaCheckpoint(KafkaAccess(bootstrap), chain_id, instance="bare")
    shard = Shard(_SHARD, await checkpoint.open(_SHARD))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_RECORD_BYTES,
    )
    await consumer.start()
    partition = TopicPartition(EVENTS.on(chain_id), _SHARD)
    consumer.assign([partition])
    consumer.seek(partition, shard.cursor + 1)
    while True:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=BATCH_RECORDS)).values():
            outputs: list[TopicRecord] = []
            for record in records:
                outputs += fold_record(shard, Offset(record.offset), record.value)
            await checkpoint.commit(outputs, shard.tables.changes())
            shard.tables.committed()


def main() -> None:
    kind, bootstrap, chain, partitions, folder = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    chain_id = ChainId(int(chain))
    if kind == "worker":
        run_worker(KafkaAccess(bootstrap), chain_id, int(partitions), "bench", Path(folder))
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    asyncio.run(bare_loop(bootstrap, chain_id))


if __name__ == "__main__":
    main()
