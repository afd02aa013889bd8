"""What a plan does, in the words that its messages use."""

from typing import Literal

Step = Literal["withdraw", "approve", "swap", "mint", "reset"]
"""What one transaction does."""
Phase = Literal["withdraw", "swap", "mint", "reset"]
"""What of a plan goes out together."""
PHASES: tuple[Phase, ...] = ("withdraw", "swap", "mint", "reset")
