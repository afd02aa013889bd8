"""The signers' files of tests: a minimal one of a public chain, and one of the devnet."""

from typing import Any

LEAST: dict[str, Any] = {
    "chain": 1,
    "keystore": "key.json",
    "password_file": "password",
    "pools": ["0x" + "e1" * 20],
    "policies": {"b1": "1" * 64},
    "budget_token": "0x" + "a2" * 20,
    "max_loss_per_day": 300,
    "max_notional": 50_000,
    "max_notional_per_day": 500_000,
}

DEVNET = """
chain: {chain}
devnet_account: "{owner}"
pools: ["{pool}"]
budget_token: "{usdc}"
max_loss_per_day: 1000
max_notional: 400000
max_notional_per_day: 2000000
"""
"""To be filled in; its limits have room for a book of the devnet's example."""
