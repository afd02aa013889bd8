"""Make text from nodes, tokens, topics and files safe to print: it cannot move the cursor or hide characters."""

import json


def one_line(text: str) -> str:
    """Escape every character of a text that is not printable, line breaks too, as Python writes it."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def several_lines(text: str) -> str:
    """Escape what is not printable in each line of a text, and keep the line breaks."""
    return "\n".join(map(one_line, text.split("\n")))


def json_line(text: str) -> str:
    """Escape what is not printable in one line of JSON as JSON does: the value stays the same."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
