"""Make Faust read committed records only: its own driver does so only in a mode that loses records (docs/adr/0002)."""

from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from streams.kafka.errors import without_its_cancellation


class _CommittedThread(AIOKafkaConsumerThread):  # type: ignore[misc] # untyped
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - taken up when it starts
        return consumer

    async def on_thread_stop(self) -> None:
        """Stop quietly when a broker is lost: otherwise the thread ends in a traceback."""
        await without_its_cancellation(super().on_thread_stop())


class _CommittedConsumer(Consumer):  # type: ignore[misc] # untyped
    def _new_consumer_thread(self) -> Any:
        return _CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(Transport):  # type: ignore[misc] # untyped
    """The driver's transport, without the records of aborted transactions."""

    Consumer = _CommittedConsumer
