"""What a process says by the way it ends."""

HALTED = 65
"""It must not be started again before a person has looked."""
