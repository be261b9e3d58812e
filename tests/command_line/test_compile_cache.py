"""Compiled programs are cached in a folder, and a run continues without a cache if there is no folder for it."""

import os

import jax
import pytest

from rl_rewards.command_line import compile_cache
from rl_rewards.command_line.compile_cache import SECONDS, cache_folder, prepare_jax


def test_the_named_folder_goes_before_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a, (b)"))
    assert cache_folder() == (tmp_path / "a, (b)" / "rl_rewards" / "jax", None)


@pytest.mark.parametrize("named", ["", "relative"])
def test_an_empty_or_relative_name_is_none(named, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert cache_folder() == (tmp_path / "home" / ".cache" / "rl_rewards" / "jax", None)
    assert os.listdir(tmp_path) == ["home"]


def test_without_a_place_it_is_off_with_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    place, told = cache_folder()
    assert place is None and told is not None and "cannot be created (Not a directory)" in told

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(compile_cache.Path, "home", no_home)
    assert cache_folder() == (
        None,
        "Compiled programs are not kept because there is no home folder; "
        "set XDG_CACHE_HOME=FOLDER to choose a folder for them.",
    )


@pytest.mark.parametrize(("named", "seconds"), [("7.0", None), (None, 0.2)])
def test_the_environment_says_which_programs_are_kept(monkeypatch, named, seconds):
    before = jax.config.values[SECONDS.lower()]
    monkeypatch.delenv(SECONDS, raising=False)
    if named is not None:
        monkeypatch.setenv(SECONDS, named)
    try:
        prepare_jax()
        assert jax.config.values[SECONDS.lower()] == (before if seconds is None else seconds)
    finally:
        jax.config.update(SECONDS.lower(), before)


def test_libraries_are_given_a_folder_where_home_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    monkeypatch.setenv("WANDB_CACHE_DIR", "chosen")
    monkeypatch.setenv("MPLCONFIGDIR", "to be taken back")
    monkeypatch.delenv("MPLCONFIGDIR")
    compile_cache._replace_home()
    assert os.environ["WANDB_CACHE_DIR"] == "chosen" and os.path.isdir(os.environ["MPLCONFIGDIR"])
