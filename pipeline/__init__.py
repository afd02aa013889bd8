"""The deterministic part: from decoded logs to decisions and transactions, without clock, network, chance or environment."""
