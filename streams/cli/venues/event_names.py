"""Names of contracts' events for people."""

from types import ModuleType


def topic_names(module: ModuleType) -> dict[str, str]:
    """Name the events whose topics a module lists, by topic."""
    return {
        value: name.removesuffix("_TOPIC").title().replace("_", "")
        for name, value in vars(module).items()
        if name.endswith("_TOPIC")
    }
