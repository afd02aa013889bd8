"""What a position is worth at any price, derived from an AMM's invariant."""
