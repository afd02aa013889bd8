"""`evenkeel work`: from the shards' logs into state and outputs."""
