"""List the commands of a group, each with its whole first sentence, wrapped and never cut off."""

from typing import Any

from typer.core import TyperGroup

_WHOLE = 1_000


class Group(TyperGroup):
    """A group whose help cuts nothing off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command and what it does."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(limit=_WHOLE)) for name, command in found if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
