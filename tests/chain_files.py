"""A chain's file for contracts that a test deployed, as their deployer would write it."""

from pathlib import Path

from eth_utils.crypto import keccak

from streams.devnet.artifacts import load_artifact
from streams.devnet.chain import Chain
from streams.devnet.world import World

ROLES = {
    "wrapped_native": "weth",
    "factory": "factory",
    "position_manager": "position_manager",
    "router": "router",
}


def chain_file(world: World, chain: Chain, cache: Path, *, more: str = "") -> str:
    """Write the chain's file: addresses, code hashes, and the init-code hash of pools."""
    places = {role: str(getattr(world, name)) for role, name in ROLES.items()}
    hashes = {role: code_hash(chain, place) for role, place in places.items()}
    pool = load_artifact("uniswap-v3/UniswapV3Pool", cache=cache).creation_code
    lines = [
        f"chain_id = {world.chain_id}",
        'name = "a chain of one\'s own"',
        "[blocks]",
        "time_ms = 250",
        "final_depth = 40",
        'tags = ["safe", "finalized"]',
        "[transactions]",
        "bump_after_blocks = 120",
        "intent_age_blocks = 240",
        "max_age_blocks = 2_400",
        "max_ahead_blocks = 24",
        "[contracts]",
        'source = "whoever deployed them"',
        *(f'{role} = "{place}"' for role, place in places.items()),
        f'pool_init_code_hash = "0x{keccak(hexstr=pool).hex()}"',
        "[contracts.code_hashes]",
        *(f'{role} = "{found}"' for role, found in hashes.items()),
        "[stable_tokens]",
        'source = "whoever deployed them"',
        f'USDC = "{world.usdc_low}"',
        more,
    ]
    return "\n".join(lines) + "\n"


def code_hash(chain: Chain, place: str) -> str:
    return "0x" + keccak(hexstr=chain.rpc("eth_getCode", place, "latest")).hex()
