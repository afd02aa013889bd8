"""Compare a chain's file with the chain: code, a pool's derived address, named blocks, the sequencer's feed."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from contracts_abi.chains import ROLES, ChainFile
from pipeline.errors import BrokenAnswerError, NodeError, UnreadableError
from pipeline.messages.base import BlockRef
from pipeline.messages.chain_profile import VenueSpec
from pipeline.messages.sequencer import SequencerFeed
from pipeline.units import Address, Hash
from streams.node.chain_code import pool_address, wrong_code
from streams.node.contract_calls import Ask, ContractReader, method
from streams.node.http_node import HttpNode
from streams.node.known_feeds import known_feed_facts
from streams.node.lending_facts import lending_facts
from streams.node.multicall import MULTICALL3
from streams.node.rpc import Rpc, plain
from streams.node.sequencer_facts import sequencer_facts

_POOL_OF = method("uniswap-v3/UniswapV3Factory", "getPool")
_FEES_PIPS = (100, 500, 3_000)
_HASHES_ONLY = False
"""Of a block's transactions."""
_NOBODY = "0x" + 40 * "0"


class ChainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a chain or its file, and what is known of it."""

    wrong: tuple[str, ...]
    notes: tuple[str, ...]


async def chain_facts(
    node: HttpNode,
    rpc: Rpc,
    chain: ChainFile | None,
    at: BlockRef,
    further: Sequence[VenueSpec] = (),
    *,
    sequencer: SequencerFeed | None = None,
) -> ChainFacts:
    """Compare a chain with its file; without a file, check Multicall3 alone. `further` are other deployments of Uniswap V3.

    `sequencer` is the uptime feed that books go by.

    Raises: NodeError.
    """
    wrong = [says async for says in _wrong_code(node, chain, at.hash)]
    notes: list[str] = []
    reader = ContractReader(node, multicall=MULTICALL3, at=at.hash)
    if chain is not None:
        notes += [says async for says in _tags(rpc, chain, at)]
        if not wrong:
            wrong += [says async for says in _wrong_pools(reader, chain)]
            for spec in further:
                is_right, says = await _deployment(reader, chain, spec)
                (notes if is_right else wrong).append(says)
        if chain.aave_v3 is not None and not wrong:
            told = await lending_facts(reader, chain.aave_v3)
            wrong += told.wrong
            notes += told.notes
    if chain is not None and chain.feeds is not None and not wrong:
        async for fact in known_feed_facts(reader, chain.feeds, at):
            (notes if fact.is_right else wrong).append(fact.says)
    if sequencer is not None:
        found = await sequencer_facts(reader, sequencer, at)
        (notes if found.trouble is None else wrong).append(found.says)
    return ChainFacts(wrong=tuple(wrong), notes=tuple(notes))


async def _wrong_code(node: HttpNode, chain: ChainFile | None, at: Hash) -> AsyncIterator[str]:
    missing = False
    for name, place in _places(chain).items():
        if not await node.code(place, at):
            missing = True
            yield f"no contract at {place}, where {name} is to be"
    if chain is not None and not missing:
        async for wrong in wrong_code(node, chain, ROLES, at):
            yield wrong.says


def _places(chain: ChainFile | None) -> Mapping[str, Address]:
    named: dict[str, str] = {} if chain is None else {**chain.contracts.places(), **chain.stable_tokens}
    if chain is not None and chain.aave_v3 is not None:
        named |= {f"Aave's {role}": place for role, place in chain.aave_v3.places().items()}
    return {"Multicall3": MULTICALL3, **{name: Address(place) for name, place in named.items()}}


async def _tags(rpc: Rpc, chain: ChainFile, at: BlockRef) -> AsyncIterator[str]:
    for tag in chain.blocks.tags:
        try:
            named = plain(await rpc.ask("eth_getBlockByNumber", tag, _HASHES_ONLY), "eth_getBlockByNumber")
            number = int(named["number"], 16)
        except (BrokenAnswerError, NodeError) as error:
            yield f"the node does not tell its {tag} block: {error}"
        except (TypeError, KeyError, ValueError):
            yield f"the node does not tell its {tag} block"
        else:
            yield f"{tag} is {max(0, at.number - number)} blocks below the head"


def _pairs(chain: ChainFile) -> Iterator[tuple[tuple[Address, Address], int]]:
    wrapped = Address(chain.contracts.wrapped_native)
    for token in chain.stable_tokens.values():
        for fee_pips in _FEES_PIPS:
            yield (wrapped, Address(token)), fee_pips


async def _wrong_pools(reader: ContractReader, chain: ChainFile) -> AsyncIterator[str]:
    """Find pools that the factory created at another address than the init-code hash gives."""
    try:
        made = await _pools_made(reader, chain, Address(chain.contracts.factory))
    except UnreadableError as error:
        yield str(error)
        return
    for each in made:
        if each.at != each.derived:
            yield f"the factory's pool of {' and '.join(each.tokens)} is {each.at}, by the init-code hash {each.derived}"


async def _deployment(reader: ContractReader, chain: ChainFile, spec: VenueSpec) -> tuple[bool, str]:
    """Return whether a further deployment's pools have the code that the chain's file knows; no file has another deployment's hash."""
    try:
        made = await _pools_made(reader, chain, spec.contract("factory"))
    except UnreadableError as error:
        return False, f"venue {spec.name}: {error}"
    if not made:
        return (
            True,
            f"venue {spec.name} has no pool of wrapped coin and stable tokens: what makes its pools is not known",
        )
    if all(each.at == each.derived for each in made):
        return True, f"venue {spec.name} makes its pools of the same code"
    return True, f"venue {spec.name} makes its pools of other code, and no source tells which"


class _PoolMade(NamedTuple):
    """A pool that a factory names, with the address that the known code gives it."""

    tokens: tuple[Address, Address]
    at: Address
    derived: Address


async def _pools_made(reader: ContractReader, chain: ChainFile, factory: Address) -> list[_PoolMade]:
    """Ask a factory for pools of the wrapped coin and stable tokens; for none where the code is not known.

    Raises: UnreadableError where it is no factory, NodeError.
    """
    code_hash = chain.contracts.pool_init_code_hash
    if code_hash is None:
        return []
    pairs = list(_pairs(chain))
    told = await reader.ask([Ask(factory, _POOL_OF, (*tokens, fee)) for tokens, fee in pairs])
    made: list[_PoolMade] = []
    for (tokens, fee_pips), answer in zip(pairs, told, strict=True):
        if isinstance(answer, UnreadableError):
            raise UnreadableError(f"the factory at {factory} does not answer as one: {answer}")
        if answer[0] != _NOBODY:
            made.append(
                _PoolMade(tokens, Address(answer[0]), pool_address(factory, code_hash, tokens, fee_pips))
            )
    return made
