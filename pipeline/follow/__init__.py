"""What a shard follows of the chain: which logs concern it, what they say, what must still be read."""
