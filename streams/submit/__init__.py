"""The signer's process, the only one with its key. Read `serve` first, then `intake` and `judge`."""
