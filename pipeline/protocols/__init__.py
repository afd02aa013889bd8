"""The AMMs that are followed: one package each and one line in the table."""

from collections.abc import Mapping
from typing import Protocol as Shape

from pipeline.messages.base import RawLog
from pipeline.messages.facts import ManagerFact, PoolFact
from pipeline.protocols import uniswap_v3
from pipeline.protocols.uniswap_v3 import LivePool


class Protocol(Shape):
    """What the steps need of an AMM. Its package is the value itself."""

    @property
    def POOL_TOPICS(self) -> frozenset[str]: ...  # noqa: N802
    @property
    def MANAGER_TOPICS(self) -> frozenset[str]: ...  # noqa: N802
    @property
    def LivePool(self) -> type[LivePool]: ...  # noqa: N802

    def decode_pool_log(self, log: RawLog) -> PoolFact | None: ...
    def decode_manager_log(self, log: RawLog) -> ManagerFact | None: ...


PROTOCOLS: Mapping[str, Protocol] = {"uniswap-v3": uniswap_v3}
