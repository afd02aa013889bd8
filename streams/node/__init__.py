"""Everything that is asked of a node, by JSON-RPC."""
