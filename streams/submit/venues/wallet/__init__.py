"""The owner's wallet for a signer: allowances for venues' contracts, and wrapping of the native coin."""
