"""The machine's configuration for real: where it lies, and that a file of this user's own is not obeyed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sidewall.errors import ConfigError
from sidewall.platforms.windows import machine_config


@pytest.fixture
def path() -> Iterator[str]:
    made = machine_config.native()[1]
    directory = os.path.dirname(made)
    assert not os.path.exists(directory)
    yield made
    shutil.rmtree(directory, ignore_errors=True)


def test_it_lies_in_the_data_of_all_users(path: str) -> None:
    assert os.path.normcase(path) == os.path.normcase(os.path.join(os.environ["PROGRAMDATA"], machine_config.NAME))


def test_none_is_none(path: str) -> None:
    assert machine_config.read(machine_config.native()[0], path) is None


def test_one_of_this_user_is_an_error_with_file_owner_and_remedy(path: str) -> None:
    os.mkdir(os.path.dirname(path))
    with open(path, "w") as file:
        file.write('profile = ":read-only"\n')
    with pytest.raises(ConfigError, match="is not obeyed") as caught:
        machine_config.read(machine_config.native()[0], path)
    assert path in str(caught.value) and "icacls" in caught.value.hint
    done = subprocess.run([sys.executable, "-m", "sidewall", "run", "--tier", "token", "--require", "none", "--",
                           "cmd", "/c", "exit 7"], capture_output=True, text=True, timeout=90)
    assert done.returncode == 2 and "is not obeyed" in done.stderr, done
