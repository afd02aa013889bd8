"""The sender: one process a signer, the only one with its key. `serve` first, then `desk` and `judge`."""
