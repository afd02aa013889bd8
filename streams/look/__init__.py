"""An owner's positions on a chain: found, read at one block and added up, without a broker."""
