"""Everything that is said to a broker: topics, encoding, clients, transactions, access."""
