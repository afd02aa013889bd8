"""Integer arithmetic of AMMs, one idea per module. The direction of rounding is stated wherever it matters."""
