"""Check the code of a chain's contracts against the hashes in the chain's file, and pools against its init-code hash."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import msgspec
from eth_utils.crypto import keccak

from contracts_abi.chains import ChainFile
from pipeline.errors import SettingsError, UnreadableError
from pipeline.units import Address, ChainId, Hash
from streams.node.contract_calls import Ask, ContractReader, method
from streams.node.http_node import HttpNode
from streams.node.right_chain import check_chain
from streams.redaction import node_name

_TIMEOUT_S = 10.0
_POOL = "uniswap-v3/UniswapV3Pool"
_ASKED = tuple(method(_POOL, name) for name in ("token0", "token1", "fee"))


class ContractWrong(msgspec.Struct, frozen=True):
    """A contract of a chain's file that the chain shows differently, or not at all."""

    role: str
    says: str


def pool_address(
    factory: Address, init_code_hash: str, tokens: tuple[Address, Address], fee_pips: int
) -> Address:
    """Derive the address at which a factory creates the pool of two tokens: CREATE2 with both and the fee as salt."""
    words = [_bytes(token).rjust(32, b"\0") for token in sorted(tokens)]
    salt = keccak(b"".join([*words, fee_pips.to_bytes(32, "big")]))
    made = keccak(b"\xff" + _bytes(factory) + salt + _bytes(init_code_hash))
    return Address("0x" + made[12:].hex())


async def wrong_code(
    node: HttpNode, chain: ChainFile, roles: Collection[str], at: Hash
) -> AsyncIterator[ContractWrong]:
    """Find the contracts whose code hash differs from the file's, or that have no code. Raises: NodeError."""
    places: Mapping[str, str] = chain.contracts.places()
    for role, stated in chain.contracts.code_hashes.items():
        if role not in roles:
            continue
        code = await node.code(Address(places[role]), at)
        found = "0x" + keccak(code).hex() if code else None
        if found != stated:
            there = (
                f"the code at {places[role]} has hash {found}"
                if found
                else f"no contract is at {places[role]}"
            )
            yield ContractWrong(role, f"{chain.file}: contracts.code_hashes.{role}: {stated}, but {there}")


async def wrong_pools(
    reader: ContractReader, chain: ChainFile, pools: Sequence[Address]
) -> AsyncIterator[tuple[Address, str]]:
    """Find pools whose address differs from the one that the file's init-code hash gives for their tokens and fee. Raises: NodeError.

    A contract that does not answer as a pool is passed over: it is for others to tell.
    """
    code_hash = chain.contracts.pool_init_code_hash
    if code_hash is None:
        return
    told = await reader.ask([Ask(pool, each) for pool in pools for each in _ASKED])
    for place, pool in enumerate(pools):
        answers = [each for each in told[3 * place : 3 * place + 3] if not isinstance(each, UnreadableError)]
        if len(answers) < len(_ASKED):
            continue
        (token0,), (token1,), (fee_pips,) = answers
        derived = pool_address(
            Address(chain.contracts.factory), code_hash, (Address(token0), Address(token1)), fee_pips
        )
        if derived != pool:
            yield (
                pool,
                f"{chain.file}: contracts.pool_init_code_hash: {code_hash} puts the pool of its tokens and fee at {derived}, not at {pool}",
            )


async def require_code(urls: Sequence[str], chain: ChainFile, roles: Collection[str]) -> None:
    """Check the code of a chain's contracts with every node, before anything relies on them.

    Raises: SettingsError naming the node, the file and the field that it contradicts, or a node of another chain; NodeError where one does not answer.
    """
    if not any(role in roles for role in chain.contracts.code_hashes):
        return
    for url in urls:
        node = HttpNode(url, timeout_s=_TIMEOUT_S)
        try:
            check_chain(await node.chain_id(), ChainId(chain.chain_id))
            at = (await node.newest()).block.hash
            wrong = [each.says async for each in wrong_code(node, chain, roles, at)]
        finally:
            await node.close()
        if wrong:
            raise SettingsError(f"{node_name(url)}: {'; '.join(wrong)}")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
