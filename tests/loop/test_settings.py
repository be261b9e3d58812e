"""No code beyond ``build`` sees a configuration object, and the command reaches the jitted round in few calls."""

import ast
import inspect
import json
import sys
from dataclasses import FrozenInstanceError
from importlib import import_module
from pathlib import Path

import jax
import pytest

import rl_rewards
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import experiment
from rl_rewards.loop.build import build_settings
from rl_rewards.loop.run_folder import plain_values
from rl_rewards.loop.settings import Settings
from tests.runs import composed

PACKAGE = Path(rl_rewards.__file__).parent
SEE_CONFIGS = ("run.py", "loop/build.py", "loop/run_folder.py", "command_line/")
"""Only these files and this folder may import OmegaConf; Hydra is also imported where parts are instantiated."""


def imported(path: Path) -> set[str]:
    """Return the top-level packages that a module imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).partition(".")[0])
    return found


def test_configuration_objects_end_at_build():
    modules = {path.relative_to(PACKAGE).as_posix(): imported(path) for path in PACKAGE.rglob("*.py")}
    assert len(modules) > 200
    see = {name for name, found in modules.items() if {"omegaconf", "hydra"} & found}
    plugin = "clusters/launcher.py"  # of Hydra
    assert {name for name in see if not name.startswith(SEE_CONFIGS)} == {"loop/instantiate.py", plugin}
    assert "omegaconf" not in modules["loop/instantiate.py"]


def test_orbax_is_imported_where_something_is_saved_or_read():
    """The import takes most of a second, and the first round does not need it."""
    users = [path for path in PACKAGE.rglob("*.py") if "orbax" in imported(path)]
    assert [path.relative_to(PACKAGE).as_posix() for path in users] == ["loop/checkpoint/storage.py"]
    top = [node for node in ast.parse(users[0].read_text(encoding="utf-8")).body if isinstance(node, ast.Import)]
    assert not any(one.name.startswith("orbax") for node in top for one in node.names)


def test_settings_are_plain_and_stay_as_they_are():
    settings = build_settings(composed("env=point", "num_seeds=3", "seed=4", "logger.tags=[a,b]", "pretrain.run=x"))
    assert settings.seeds == range(4, 7) and settings.logger.tags == ("a", "b") and settings.pretrain.run == "x"
    assert json.loads(json.dumps(settings.record))["env"]["_target_"] == "rl_rewards.envs.point.Point"
    with pytest.raises(FrozenInstanceError):
        settings.seed = 5  # type: ignore[misc]


def test_a_run_from_before_a_key_existed_has_its_default():
    config = plain_values(composed("env=point"))
    for key in ("demonstrations", "pretrain", "trust", "study", "arms"):
        del config[key]
    for section, key in (("checkpoint", "best"), ("examples", "last_steps")):
        del config[section][key]
    assert Settings.of(config) == Settings.of({**config, "pretrain": None, "demonstrations": {"every": 1}})
    assert Settings.of(config).checkpoint.best == "auto"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": -1}, r"^seed=-1 must be at least 0\.$"),
        ({"num_seeds": 0}, r"^num_seeds=0 must be a whole number of at least 1\.$"),
        ({"total_env_steps": 1e5}, r"^total_env_steps=100000\.0 must be a whole number of at least 1\.$"),
        ({"video": 3}, r"^video=3 is not valid; it must be true or false\.$"),
        (
            {"evaluation": {"every": True, "episodes": 4}},
            r"^evaluation\.every=True must be a whole number",
        ),
        ({"evaluation": {"every": 2}}, r"^The configuration has no evaluation\.episodes\.$"),
        ({"evaluation": None}, r"^The configuration has no evaluation\.$"),
        ({"logger": 3}, r"^logger=3 must be a mapping of keys to values\.$"),
        (
            {"logger": {"mode": "on", "project": "p"}},
            r"^logger\.mode=on is not valid; it must be disabled or",
        ),
        ({"pretrain": {"part": "bob"}}, r"^pretrain\.part=bob needs pretrain=RUN_DIR\.$"),
        ({"trust": 3}, r"^trust=3 is not valid; it must be the name of a package"),
    ],
)
def test_a_wrong_value_is_one_sentence(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Settings.of(plain_values(composed("env=point")) | changes)


def test_five_calls_in_three_files_lead_to_the_jitted_round(monkeypatch, tmp_path):
    """These are the calls that loop/README.md lists."""
    calls: list[tuple[str, str]] = []

    class Recorded(experiment.Rounds):
        def __init__(self, parts, data, state, host_env, stage):
            self.parts, self.data, self.host_env, self.seconds, self._stage = parts, data, host_env, {}, stage

        def _round(self, *_):
            frames = [(Path(frame.filename), frame.function) for frame in inspect.stack()[1:]]
            calls.extend((path.name, name) for path, name in reversed(frames) if PACKAGE in path.parents)
            raise ConfigError("Seen.")

    monkeypatch.setattr(experiment, "Rounds", Recorded)
    run = import_module("rl_rewards.run")
    monkeypatch.setattr(run, "raise_here", lambda: None)  # it would set hooks for the whole process
    logging = ["hydra/job_logging=none", "hydra/hydra_logging=none"]
    command = [*logging, "debug=smoke", "env=point", "reward=zero", "logger=none", f"hydra.run.dir={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["run", *command])
    with pytest.raises(SystemExit), jax.debug_key_reuse(False):
        run.main()
    assert calls == [
        ("run.py", "main"),
        ("run.py", "_hydra_main"),
        ("run.py", "execute"),
        ("experiment.py", "run_experiment"),
        ("rounds.py", "__call__"),
    ]
