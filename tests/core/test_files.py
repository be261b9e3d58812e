"""Tests of atomic writes, and of locks that are released when their process ends."""

import errno
import fcntl
import os
import socket
import subprocess
import sys

import pytest

from rl_rewards.core import files
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import locked, read_json, replaced, write_whole

BUSY = "the {folder} is in use by {holder}."


@pytest.mark.parametrize("private", [False, True])
def test_a_cut_write_leaves_what_was_there(tmp_path, private):
    path = tmp_path / "state.json"
    write_whole(path, "before", private=private)

    def cut() -> None:
        with replaced(path, private=private) as file:
            file.write("half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_private_file_is_its_owners_alone_even_in_the_place_of_another(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("open to all")
    (tmp_path / "config.yaml.tmp").write_text("of a process that was killed")
    write_whole(path, "token: secret", private=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "token: secret"


def test_it_is_on_the_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    order = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(files.os, name, lambda *a, real=real, name=name: (order.append(name), real(*a)))
    write_whole(tmp_path / "DONE", "{}")
    assert order == ["fsync", "replace", "fsync"], "the folder's entry is flushed last"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; it must hold one JSON object."),
        (b"\x80\x00", "it is not a text file (byte 0 is not UTF-8)."),
        (b"[1]", "must hold one JSON object."),
        (b'{"a": ', "is not valid JSON: Expecting value"),
        (b'{"a": ' + b"[" * 100_000, "is not valid JSON: maximum recursion"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "is not valid JSON: Exceeds the limit"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_json(path)
    assert str(error.value).startswith(str(path)) and sentence in str(error.value)


def hold(path) -> subprocess.Popen:
    """Start another process, which holds the lock ``path`` until it is killed."""
    code = (
        "import sys, time; from pathlib import Path; from rl_rewards.core.files import locked\n"
        "with locked(Path(sys.argv[1]), ''): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path):
    path = tmp_path / "run.lock"
    other = hold(path)
    try:
        with pytest.raises(ConfigError) as error, locked(path, BUSY):
            pass
        assert str(error.value) == f"the {{folder}} is in use by process {other.pid} on {socket.gethostname()}."
    finally:
        other.kill()
        other.wait()
    with locked(path, BUSY), pytest.raises(ConfigError, match=f"process {os.getpid()} on"), locked(path, BUSY):
        pass
    with locked(path, BUSY):
        pass


def test_without_locks_the_file_alone_tells(tmp_path, monkeypatch, capsys):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    path = tmp_path / "run.lock"
    other = hold(path)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(ConfigError, match=f"process {other.pid}"), locked(path, BUSY):
        pass
    other.kill()
    other.wait()
    with locked(path, BUSY):
        assert capsys.readouterr().out == ""
    path.write_text('{"pid": 7, "host": "elsewhere"}')
    with locked(path, BUSY):
        assert "without locks, and process 7 on elsewhere was the last" in capsys.readouterr().out
