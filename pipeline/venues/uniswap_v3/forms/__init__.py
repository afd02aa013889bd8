"""What Uniswap V3 puts on the topics and into a shard's state, and what its logs say."""
