"""A chain with a history: long runs of quiet blocks, and busy ones in which pools are traded and owners move liquidity."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from chaos.books import endow, policy_of, tend
from watching import own_chain_id

from pipeline.messages.policy import Policy, version_of
from pipeline.units import BlockNumber, Seconds
from streams.devnet.chain import BLOCK_S, Chain, start_chain
from streams.devnet.flow import OrderFlow
from streams.devnet.transactions import Tx
from streams.devnet.world import World

_HASHES_OF_BLOCKS = "0x0000F90827F1C53a10cb7A02335B175320002935"
"""Where EIP-2935 keeps the last 8,191 hashes: with it anvil's state grows by a word at each block, and anvil keeps a state per block."""
BOOKS = ("alpha", "gamma")
"""On two shards, one of them with two pools."""
_COOLDOWN_S = Seconds(3_600)
"""Long, so that quiet blocks are quiet for the books too."""
_MINED_AT_ONCE = 500
_MOST_PARTS = 4
_TENDED_SHARE = 0.2
_SPARE_STATES = 200


class Built(msgspec.Struct, frozen=True):
    """The world as it was built once, and the file with the state of its chain."""

    world: World
    state: Path
    cache: Path


class Past:
    """A chain, and the books whose past it has."""

    def __init__(self, chain: Chain, world: World, seed: int) -> None:
        """Endow the owners; the past begins at `first_block`."""
        self.chain = chain
        self._world = msgspec.structs.replace(world, chain_id=chain.chain_id)
        self._dice = random.Random(f"{seed}/past")
        chain.rpc("anvil_setCode", _HASHES_OF_BLOCKS, "0x")
        self._owners, _ = endow(chain, self._world)
        self._flow = OrderFlow(chain, self._world, seed)
        self.first_block = BlockNumber(chain.header().number)

    def policies(self) -> list[Policy]:
        """Say how the books are kept: they only look, as a book must at its past."""
        return [self._policy(book) for book in BOOKS]

    def _policy(self, book: str) -> Policy:
        policy = policy_of(self._world, book)
        chain = msgspec.structs.replace(policy.chain, check_every_blocks=500, report_every_blocks=50)
        strategy = msgspec.structs.replace(policy.strategy, cooldown_s=_COOLDOWN_S)
        policy = msgspec.structs.replace(policy, chain=chain, strategy=strategy)
        return msgspec.structs.replace(policy, policy_version=version_of(policy))

    def live_through(self, quiet: int, busy: int) -> None:
        """Mine so many quiet and busy blocks, in parts that take turns and end quiet."""
        parts = self._dice.randint(1, _MOST_PARTS)
        for each in _parted(self._dice, busy, parts):
            self._rest(quiet // (parts + 1))
            for _ in range(each):
                self._flow.block(*self._by_an_owner())
        self._rest(quiet - parts * (quiet // (parts + 1)))

    def _rest(self, blocks: int) -> None:
        for mined in range(0, blocks, _MINED_AT_ONCE):
            self.chain.rpc("anvil_mine", hex(min(_MINED_AT_ONCE, blocks - mined)), hex(BLOCK_S))

    def _by_an_owner(self) -> list[Tx]:
        if self._dice.random() >= _TENDED_SHARE:
            return []
        return list(tend(self.chain, self._world, self._dice.choice(self._owners), self._dice))


@contextmanager
def past_of(built: Built, folder: Path, seed: int, blocks: int) -> Iterator[Past]:
    """Start a chain of its own id on which the states of so many blocks can be read."""
    with start_chain(
        folder,
        cache=built.cache,
        state=built.state,
        chain_id=own_chain_id(),
        kept_states=blocks + _SPARE_STATES,
    ) as chain:
        yield Past(chain, built.world, seed)


def _parted(dice: random.Random, count: int, parts: int) -> list[int]:
    """Cut a number into so many, each drawn."""
    cuts = sorted(dice.randint(0, count) for _ in range(parts - 1))
    return [end - begin for begin, end in zip([0, *cuts], [*cuts, count], strict=True)]
