"""Entry point that checks labelers: ``python -m rl_rewards.calibrate RUN_DIR [labeler=NAME ...]``.

A labeler, if one is named, is asked about the pairs that RUN_DIR's own labelers have answered, and compared with those
trusted answers; the pairs may also be those of a file, chosen and rejected in JSON lines. Several labelers are also
compared with each other. Without a labeler, the stored answers are compared with the true return of the segments.
"""

import argparse
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rl_rewards.command_line.compose import composed
from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, write_whole
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.base import Environment
from rl_rewards.labelers.ask_again import ask_again
from rl_rewards.labelers.calibration import calibrate
from rl_rewards.labelers.judge_statistics import differences
from rl_rewards.labelers.nuisance import nuisances_of
from rl_rewards.labelers.pairs import Pairs, read_pairs
from rl_rewards.labelers.picture_features import UNITS, picture_features
from rl_rewards.labelers.progress import consistency
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.loop.run_folder import read_config, reading
from rl_rewards.loop.trust import take_trust
from rl_rewards.reporting.judges import Ceiling, Compared, Judges, in_words, write_judges

FEW = 20
"""Below this number of pairs an interval says little."""
FOLDER = "calibration"
"""The folder beside the label store with what a judge was asked here, so that it is not asked again, and the page."""
OF_LABELERS = re.compile(r"[+~]*(\w+@)?labeler\b")
OF_FILE = "text_prompts"
"""The environment of a file of compared responses."""


class Trusted(NamedTuple):
    """Pairs with trusted answers, and what is needed to ask about them again."""

    pairs: Pairs
    env: Environment
    choice: str | None  # of configs/env; None: unknown
    folder: Path  # for what judges are asked
    features: Mapping[str, Float[np.ndarray, "N 2"]]
    units: Mapping[str, str]  # of the features
    ceiling: Ceiling | None
    notes: list[str]
    names: str


def main(arguments: list[str] | None = None) -> None:
    """Print the comparison, and write it as a page; a failure ends the process with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.calibrate",
        description="Compare labelers with trusted answers: agreement beside the ceiling, Cohen's kappa, calibration "
        "error before and after temperature scaling, flip rate, and the feature of the segments that biases them most.",
        epilog="Example: python -m rl_rewards.calibrate RUN_DIR labeler=ai_judge --judge labeler=rules",
    )
    parser.add_argument(
        "trusted",
        type=Path,
        metavar="RUN_DIR | FILE.jsonl",
        help="a run with a label store, the store itself, or a file whose lines have prompt, chosen and rejected",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="labeler=NAME",
        help="the labeler to ask about the pairs, with labeler.KEY=VALUE as for a run; without one, the stored "
        "answers are compared with the true return. Add trust=PACKAGE if the run's environment is your own class",
    )
    parser.add_argument(
        "--judge",
        action="append",
        default=[],
        metavar='"labeler=NAME ..."',
        help="another labeler to ask about the same pairs; may be given several times",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="use the pairs of this seed only; default: all")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the numbers to a file")
    chosen = parser.parse_args(arguments)
    with guarded():
        _run(chosen)


def _run(chosen: argparse.Namespace) -> None:
    trust, first = take_trust(chosen.overrides)
    asked = [one for one in (first, *map(shlex.split, chosen.judge)) if one]
    judges = compare_all(chosen.trusted, asked, chosen.seed, trust)
    print("\n".join(in_words(judges)))
    print(f"Page: {write_judges(judges)}")
    if chosen.out is not None:
        told = [{"tested": one.tested, "trusted": one.trusted, **asdict(one.found)} for one in judges.compared]
        more = {"judges": told, "differences": [one._asdict() for one in judges.differences]}
        write_whole(chosen.out, json.dumps(told[0] if len(told) == 1 else more, indent=1) + "\n")


def compare(path: Path, overrides: list[str], seed: int | None = None) -> Compared:
    """Return :func:`compare_all` of one labeler, whose ``overrides`` may include ``trust=``."""
    trust, overrides = take_trust(overrides)
    return compare_all(path, [overrides] if overrides else [], seed, trust).compared[0]


def compare_all(path: Path, asked: Sequence[list[str]], seed: int | None = None, trust: Sequence[str] = ()) -> Judges:
    """Return the comparison of labelers, or of the store's own answers, with what is trusted.

    Args:
        path: a run's folder, its label store, or a file of compared responses.
        asked: the overrides of each labeler; none compares the stored answers with the true return.
        seed: the seed whose pairs are used; None uses all.
        trust: packages that may provide the run's environment.

    Raises:
        ConfigError: when there is no store or no answered pair, a labeler cannot be asked about the pairs, or the
            run's files are damaged or name a class that is not trusted.
    """
    for one in asked:
        foreign = [override for override in one if not OF_LABELERS.match(override)]
        require(
            not foreign,
            f"{' '.join(foreign)} is not a setting of a labeler; the others come from {path}'s run.",
        )
    is_file = path.suffix == ".jsonl" and path.is_file()
    trusted = _of_file(path, seed) if is_file else _of_run(path, seed, trust)
    found = [_asked(trusted, one, seed, trust) for one in asked] if asked else [_own(trusted, path)]
    names = _different([one.tested for one in found])
    found = [one._replace(tested=name) for one, name in zip(found, names, strict=True)]
    right = {one.tested: _right(one.scores, trusted.pairs.scores) for one in found}
    return Judges(found, differences(right), trusted.ceiling, trusted.units, trusted.notes, trusted.folder)


def _own(trusted: Trusted, path: Path) -> Compared:
    """Return the comparison of the trusted answers themselves with the truth."""
    returns = trusted.pairs.returns
    if returns is None:
        raise ConfigError(
            f"{path} does not know the true return of its pairs; name a labeler to ask with labeler=NAME."
        )
    scores = trusted.pairs.scores
    return Compared(trusted.names, "the true return", calibrate(scores, returns, trusted.features), [], scores)


def _asked(trusted: Trusted, overrides: list[str], seed: int | None, trust: Sequence[str]) -> Compared:
    """Return the comparison of a labeler's answers."""
    from rl_rewards.loop.asked_models import asked_model
    from rl_rewards.loop.build import build_labeling

    pairs, env, notes = trusted.pairs, trusted.env, []
    config = composed([*([f"env={trusted.choice}"] if trusted.choice else []), *overrides])
    labeling, describe = build_labeling(config), env.describe
    if describe is not None and "info.scene" not in pairs.reads:
        describe = None
        if "scene" in labeling.requirements.optional_reads and env.passage is None:
            notes.append("The store holds no scenes, so segments are described in numbers and not in words.")
    node = config["labeler"]
    model = asked_model(labeling, env.spec, seed, trust)
    again = ask_again(labeling, pairs, env.spec, env.draw, describe, env.passage, trusted.folder, model)
    named = [one.partition("=")[2] for one in overrides if one.startswith("labeler=")]
    name = str(node.get("model") or (named or [node["_target_"].rpartition(".")[2].lower()])[-1])
    found = calibrate(again.scores, pairs.scores, trusted.features, again.probability, again.flip_rate)
    return Compared(name, trusted.names, found, notes, again.scores)


def _of_run(path: Path, seed: int | None, trust: Sequence[str]) -> Trusted:
    """Return the answered pairs of a run's label store."""
    store_path = path / STORE_NAME if path.is_dir() else path
    require(
        store_path.is_file(),
        f"{path} holds no label store; name a run whose answers are stored (a teacher needs labeler.store=true), or "
        "a file of compared responses, FILE.jsonl.",
    )
    run_dir = store_path.parent
    require((run_dir / "spec.json").is_file(), f"{run_dir} is not a run's folder: it lacks spec.json.")
    spec = EnvSpec.load(run_dir / "spec.json")
    store = LabelStore(store_path)
    try:
        pairs, (same, repeats) = read_pairs(store, spec.name), consistency(store.database)
    finally:
        store.close()
    if seed is not None:
        require(seed in pairs.seeds, f"{store_path} has no answered pair of seed {seed}.")
        pairs = pairs.of_seed(seed)
    run_file = run_dir / "run.json"
    choice = read_json(run_file).get("env_choice") if run_file.is_file() else None
    from rl_rewards.loop.build import build_env

    with reading(run_dir):
        env = build_env(read_config(run_dir, ["env"], trust))
    ceiling = Ceiling(same, repeats, "repeats") if repeats else _ceiling_of_truth(pairs)
    return _trusted(pairs, env, choice, run_dir / FOLDER, ceiling)


def _of_file(path: Path, seed: int | None) -> Trusted:
    """Return the comparisons of a file, in random order, with the score 1 for chosen and 0 for rejected."""
    require(seed is None, f"{path} has no seeds; leave --seed out.")
    from rl_rewards.envs.text.base import TextEnv
    from rl_rewards.loop.build import build_env
    from rl_rewards.loop.supplied import as_compared

    env = build_env(composed([f"env={OF_FILE}", f"env.path={json.dumps(str(path))}"]))
    assert isinstance(env, TextEnv), "a file of prompts is an environment of texts"
    given = as_compared(env.comparisons())
    count = len(given.scores)
    turned = np.random.default_rng(0).permutation(count) % 2 == 1  # in half of the pairs the rejected one stands first
    order = np.stack([turned, ~turned], axis=1).astype(int)
    rows = np.arange(count)[:, None]
    pairs = Pairs(
        obs=np.asarray(given.segments.obs)[rows, order],
        action=np.asarray(given.segments.action)[rows, order],
        details={},
        scores=np.asarray(given.scores, np.float64)[rows, order],
        labelers=(path.name,),
        seeds=np.zeros(count, int),
    )
    return _trusted(pairs, env, OF_FILE, path.with_suffix(f".{FOLDER}"), None)


def _trusted(pairs: Pairs, env: Environment, choice: str | None, folder: Path, ceiling: Ceiling | None) -> Trusted:
    manners = {} if env.spec.text is None else env.manners(pairs.obs, pairs.action)
    units = {name: one.unit for name, one in nuisances_of(env.spec).items()} | dict.fromkeys(manners, "in a response")
    seen = picture_features(pairs.details["info.scene"], env.draw) if "info.scene" in pairs.reads else {}
    units |= {name: UNITS[name] for name in seen}
    notes = [] if len(pairs.scores) >= FEW else [f"{len(pairs.scores)} pairs are few: expect wide intervals."]
    features = pairs.features(env.spec) | manners | seen
    return Trusted(pairs, env, choice, folder, features, units, ceiling, notes, ", ".join(pairs.labelers))


def _ceiling_of_truth(pairs: Pairs) -> Ceiling | None:
    """Return how often the trusted answers agree with the true return, where both decide; None if it is unknown."""
    if pairs.returns is None:
        return None
    right = _right(pairs.scores, pairs.returns)
    return Ceiling(int(np.nansum(right)), int(np.sum(np.isfinite(right))), "truth")


def _right(tested: Float[np.ndarray, "N 2"], trusted: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
    """Return 1 where the answers are the same, 0 where not, and NaN where one is missing or a tie is trusted."""
    answer, truth = (np.sign(scores[:, 0] - scores[:, 1]) for scores in (tested, trusted))
    return np.where(np.isfinite(answer) & np.isfinite(truth) & (truth != 0), answer == truth, np.nan)


def _different(names: Sequence[str]) -> list[str]:
    """Return names of which no two are equal."""
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


if __name__ == "__main__":
    main()
