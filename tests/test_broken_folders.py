"""Random damage to the files of a run folder: every reader reads it, or refuses it with a one-sentence message."""

import json
import random
import shutil
from pathlib import Path

import pytest
import yaml

import rl_rewards
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import experiment
from rl_rewards.reporting.run_files import read_run
from rl_rewards.run import resume_run

NASTY = (None, True, -1, 0, 1.5, 10**400, float("nan"), "abc", "", "${oc.env:HOME}", [], [1, [2]], {}, {"a": 1})
YAML_TAG = "!!python/object/apply:os.system [exit 1]"


def whole(content: bytes, chance: random.Random) -> bytes:
    """Replace the content of the whole file."""
    return chance.choice((b"", b"\0" * 100, b"\n", chance.randbytes(200), b"[]", b"3", b"{}", YAML_TAG.encode()))


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def flipped(content: bytes, chance: random.Random) -> bytes:
    """Change a few bytes."""
    changed = bytearray(content)
    for _ in range(3):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def replaced_value(content: bytes, chance: random.Random) -> bytes:
    """Replace one value of a YAML or JSON file, or of one JSON line, at any depth, or remove its key."""
    lines = content.splitlines()
    if lines and lines[0].startswith(b'{"round"'):
        number = chance.randrange(len(lines))
        lines[number] = replaced_value(lines[number].replace(b'"round"', b' "round"'), chance)
        return b"\n".join(lines) + b"\n"
    try:
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError):
        return flipped(content, chance)
    node = tree
    while isinstance(node, dict) and node:
        key = chance.choice(sorted(node))
        if isinstance(node[key], dict) and chance.random() < 0.7:
            node = node[key]
            continue
        if chance.random() < 0.2:
            del node[key]
        else:
            node[key] = chance.choice(NASTY)
        break
    return json.dumps(tree).encode()


def broken_copy(run: Path, folder: Path, chance: random.Random) -> tuple[Path, str]:
    """Copy ``run``, damage one file of the copy, and return the folder and a description of the damage."""
    shutil.copytree(run, folder)
    small = ["config.yaml", "spec.json", "run.json", "metrics.jsonl", "DONE", "best.json"]
    stored = sorted(path for name in ("checkpoints", "evaluations") for path in (run / name).rglob("*"))
    stored = [str(path.relative_to(run)) for path in stored if path.is_file()]
    name = chance.choice(small) if chance.random() < 0.7 else chance.choice(stored)
    way = chance.choice((whole, cut, flipped, replaced_value, replaced_value))
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(way(content, chance) if content else b"\0")
    return folder, f"{name}, {way.__name__}"


def check(read) -> None:
    """Call ``read``; only a refusal with a one-sentence message is accepted, other errors are raised."""
    try:
        read()
    except ConfigError as refusal:
        sentence = str(refusal)
    except WouldTrain:
        return
    else:
        return
    assert sentence and "\n" not in sentence


class WouldTrain(Exception):
    """The folder is good enough to resume the run."""


def would_train(*_):
    raise WouldTrain


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2, 3))])
def test_a_broken_folder_is_read_or_refused_in_one_sentence(kept_run, tmp_path, seed, outer_patch):
    outer_patch.setattr(experiment, "Rounds", would_train)
    chance = random.Random(seed)
    for number in range(8):
        folder, done = broken_copy(kept_run, tmp_path / str(number), chance)
        try:
            check(lambda folder=folder: rl_rewards.load_reward(folder))
            check(lambda folder=folder: read_run(folder))
            if number % 3 == 0:
                check(lambda folder=folder: resume_run(folder, []))
        except Exception as error:
            raise AssertionError(f"case {number}: {done}") from error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("spec.json", b""),
        ("spec.json", b"\x80\x00\xff"),
        ("spec.json", b'{"name": "point", "obs": {"shape": [1000000000000]}}'),
        ("config.yaml", b"\x80\x00\xff"),
        ("config.yaml", b"reward: !!python/object/apply:os.system [exit 1]\n"),
        ("config.yaml", b"reward: {_target_: os.system, command: exit 1}\n"),
    ],
)
def test_what_was_seen_broken_is_refused(kept_run, tmp_path, name, content):
    folder = shutil.copytree(kept_run, tmp_path / "run")
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name) as error:
        rl_rewards.load_reward(folder)
    assert "\n" not in str(error.value)
