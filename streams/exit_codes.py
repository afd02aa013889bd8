"""What a process says by the way it ends."""

from pipeline.errors import AccessError, LogLostError, SettingsError, SignerHaltedError, StateLostError

HALTED = 65
"""It must not be started again before a person has looked."""
CONFIGURATION = 78
"""What it was given to work with is wrong, and stays so until somebody changes it: starting it again is of no use."""

_HALTING = (AccessError, LogLostError, SignerHaltedError, StateLostError)


def code_of(error: BaseException, otherwise: int) -> int:
    """Tell with which code a process that serves ends: whether its supervisor may start it again."""
    if isinstance(error, _HALTING):
        return HALTED
    return CONFIGURATION if isinstance(error, SettingsError) else otherwise
