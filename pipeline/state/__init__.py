"""What a shard remembers: tables under readable keys, and what is derived from them."""
