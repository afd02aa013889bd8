"""Read only the part of a portfolio that says which chain it is on, even if its books are wrong or missing."""

from pydantic import ValidationError

from streams.portfolio.names import lookup_in
from streams.portfolio.sections import ChainSection
from streams.yaml_positions import Problem, problems_of, read_yaml


def chain_section_of(text: str, file: str) -> ChainSection:
    """Read `chain:` of a portfolio's text. Raises: SettingsError naming file, line and field."""
    document = read_yaml(text, file)
    written = document.value if isinstance(document.value, dict) else {}
    try:
        return ChainSection.model_validate(written.get("chain", {}), context=lookup_in({}))
    except ValidationError as error:
        problems = [Problem(("chain", *each.path), each.says) for each in problems_of(error, ChainSection)]
        raise document.refuse(problems) from None
