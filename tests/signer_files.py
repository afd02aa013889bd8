"""The least that a signer's file of a public chain must say, for tests of what else it may."""

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
