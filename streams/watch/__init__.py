"""`evenkeel watch`: from the chain into the shards' logs."""
