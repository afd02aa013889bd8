"""`evenkeel up` before anything runs."""

import fcntl

import pytest

from pipeline.errors import SettingsError
from streams.cli.running import _alone
from streams.settings import Settings


def test_a_second_one_of_the_same_name_in_the_same_folder_is_refused(tmp_path):
    settings = Settings(folder=tmp_path / "run", instance="here")
    with _alone(settings, "up"):
        with (
            pytest.raises(SettingsError, match=r"`evenkeel up` runs already in .*run as here"),
            _alone(settings, "up"),
        ):
            pass
        with _alone(Settings(folder=tmp_path / "run", instance="there"), "up"):
            pass
    with _alone(settings, "up"):
        pass


def test_one_that_was_killed_leaves_nothing_behind(tmp_path):
    settings = Settings(folder=tmp_path, instance="here")
    with (tmp_path / "up-here.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    with _alone(settings, "up"):
        pass
