"""Explain what the methods that a node lacks mean for the books in force."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from pipeline.errors import NodeBusyError, SettingsError
from pipeline.messages.policy import Policy
from pipeline.units import BlockNumber
from streams.node.abilities import Abilities, try_abilities
from streams.node.proof.provable import Provable

_READS = ("eth_getBlockByNumber", "eth_getBlockByHash", "eth_call", "eth_getBalance")
"""Without one of these nothing is followed."""
_SIGNS = ("eth_getTransactionReceipt", "eth_getTransactionCount", "eth_feeHistory")
"""What a signer asks besides."""
_FULL_BATCH = 50
_USUAL_DEPTH_BLOCKS = 65
_TIMEOUT_S = 10.0


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What must be mended, what is done in another way, and what nothing is known of."""

    wrong: tuple[str, ...]
    notes: tuple[str, ...]
    unclear: tuple[str, ...]


def findings(
    abilities: Abilities,
    policies: Iterable[Policy],
    *,
    anvil_here: bool,
    depth_blocks: int,
    headers: Provable = "yes",
) -> Findings:
    """Describe what a node's lacks mean for these books."""
    live = sorted(policy.book for policy in policies if policy.mode == "live")
    return Findings(
        wrong=tuple(_wrong(abilities, live, anvil_here=anvil_here)),
        notes=(*_notes(abilities, live, depth_blocks), *_proof_notes(headers)),
        unclear=tuple(f"{each.name} was not tried: {each.says}" for each in abilities.unclear()),
    )


def _wrong(abilities: Abilities, live: Sequence[str], *, anvil_here: bool) -> Iterator[str]:
    says: Mapping[str, str] = {each.name: each.says for each in abilities.tried}
    for name in _READS:
        if abilities.lacks(name):
            yield f"no {name}, so nothing can be followed ({says[name]})"
    if abilities.lacks("eth_getBlockReceipts") and abilities.lacks("eth_getTransactionReceipt"):
        yield f"no receipts, so no block can be followed ({says['eth_getBlockReceipts']})"
    if not live:
        return
    books = ", ".join(live)
    for name in _SIGNS:
        if abilities.lacks(name):
            yield f"no {name}, so {books} cannot be live ({says[name]})"
    if abilities.lacks("eth_simulateV1"):
        if not anvil_here:
            yield (
                f"no eth_simulateV1 and no anvil here to fork with, so nothing can be simulated before it is signed and "
                f"{books} cannot be live ({says['eth_simulateV1']})"
            )
        if abilities.lacks("state overrides"):
            yield f"neither eth_simulateV1 nor state overrides, so no token can be tried and {books} cannot be live"


def _notes(abilities: Abilities, live: Sequence[str], depth_blocks: int) -> Iterator[str]:
    if abilities.lacks("eth_getBlockReceipts"):
        yield "no eth_getBlockReceipts: receipts are asked for one by one"
    if abilities.lacks("eth_getCode"):
        yield "no eth_getCode: whether an owner is a contract is not checked"
    if abilities.lacks("eth_simulateV1"):
        overridden = not abilities.lacks("state overrides")
        how = (
            "by eth_call with state overrides" if overridden else "not at all, their functions are looked at"
        )
        yield f"no eth_simulateV1: tokens are tried {how}"
        if live:
            yield f"intents of {', '.join(live)} are simulated on a fork"
    if abilities.lacks("old state"):
        yield (
            f"no state {depth_blocks} blocks back: after a standstill that long, native balances and allowances are "
            "unknown until the newest blocks, and dry-runs of older proposals end as too_old"
        )
    if 0 < abilities.batch < _FULL_BATCH:
        yield f"batches of {abilities.batch} questions: catching up takes longer"


def _proof_notes(headers: Provable) -> Iterator[str]:
    if headers != "yes":
        yield "the hashes of this chain's headers cannot be computed: what the node says of a block is not proven"


async def try_node(url: str, policies: Sequence[Policy], *, anvil_here: bool) -> str:
    """Try everything that these books need of a node, and say what it does.

    Raises: SettingsError where something is missing without which they cannot go on, NodeBusyError where that is unclear.
    """
    from streams.node.http_node import HttpNode  # noqa: PLC0415 - takes its time
    from streams.node.rpc import Rpc  # noqa: PLC0415

    depth_blocks = max((policy.chain.final_depth_blocks for policy in policies), default=_USUAL_DEPTH_BLOCKS)
    node, rpc = HttpNode(url, timeout_s=_TIMEOUT_S), Rpc(url, timeout_s=_TIMEOUT_S)
    try:
        await node.chain_id()
        newest = await node.newest()
        (old,) = await node.headers([BlockNumber(max(0, newest.block.number - depth_blocks))])
        abilities = await try_abilities(rpc, newest, None if old is None else old.block)
    finally:
        await rpc.close()
        await node.close()
    found = findings(
        abilities, policies, anvil_here=anvil_here, depth_blocks=depth_blocks, headers=node.proofs.headers
    )
    if found.wrong:
        raise SettingsError("; ".join((*found.wrong, *found.notes)))
    if found.unclear:
        raise NodeBusyError("; ".join((*found.unclear, *found.notes)))
    served = f"{len(abilities.tried)} kinds of questions, {abilities.batch} at once, state {depth_blocks} blocks back"
    return "; ".join(found.notes) or f"{served}: all that these books need"
