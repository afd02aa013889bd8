"""The settings of property tests: no deadline per example, because its time depends on the machine."""

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
