"""A policy's version is the digest of its content, and does not change when a later release adds fields."""

import msgspec
from builders import policy
from msgspec.structs import replace

from pipeline.messages.events import PolicySet
from pipeline.messages.policy import version_of
from streams.kafka.codec import decode_event, encode


def variants_of(part: msgspec.Struct) -> list[msgspec.Struct]:
    """Make a copy of a policy, or of a part of it, for each field that can be changed."""
    found = []
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        others = variants_of(value) if isinstance(value, msgspec.Struct) else _others(value)
        found += [replace(part, **{field.name: other}) for other in others]
    return found


def test_a_release_that_knows_a_field_less_comes_to_the_same_version():
    said = policy()
    for name in ("standing_base", "standing_quote", "large_swaps"):
        fields = [field for field in msgspec.structs.fields(said.action) if field.name != name]
        older = msgspec.defstruct(
            "Rerange",
            [(field.name, field.type, field.default) for field in fields],
            frozen=True,
            kw_only=True,
        )
        action = older(**{field.name: getattr(said.action, field.name) for field in fields})
        assert getattr(said.action, name) in ("split", 0)
        assert version_of(replace(said, action=action)) == version_of(said)


def test_a_record_without_what_has_its_default_is_read():
    said = policy()
    said = replace(said, policy_version=version_of(said))
    record = msgspec.json.decode(encode(PolicySet(policy=said)))
    removed = 0
    for part, defaults in (("action", said.action), ("limits", said.limits), ("strategy", said.strategy)):
        for field in msgspec.structs.fields(defaults):
            if not field.required and getattr(defaults, field.name) == field.default:
                del record["policy"][part][field.encode_name]
                removed += 1
    assert removed > 10
    assert decode_event(msgspec.json.encode(record), where="here") == PolicySet(policy=said)


def test_each_field_that_is_changed_changes_the_version():
    said = policy()
    changed = [each for each in variants_of(said) if each.policy_version == said.policy_version]
    assert len(changed) > 30
    assert len({version_of(each) for each in (said, *changed)}) == len(changed) + 1


def _others(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, str):
        return [value + "x"]
    if isinstance(value, tuple):
        return [(*value, *(value[:1] or ("x",)))]
    return ["x"]
