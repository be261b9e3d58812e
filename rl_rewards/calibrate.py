"""Entry point that checks labelers: ``python -m rl_rewards.calibrate RUN_DIR [labeler=NAME ...]``.

A labeler, if one is named, is asked about the pairs that RUN_DIR's own labelers have answered, and compared with those
trusted answers. Without a labeler, the stored answers themselves are compared with the true return of the segments.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from rl_rewards.command_line.compose import composed
from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, write_whole
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.base import Environment
from rl_rewards.labelers.ask_again import AskedAgain, ask_again
from rl_rewards.labelers.calibration import Calibration, calibrate
from rl_rewards.labelers.nuisance import nuisances_of
from rl_rewards.labelers.pairs import Pairs, read_pairs
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.loop.run_folder import read_config, reading
from rl_rewards.loop.trust import take_trust

FEW = 20
"""Below this number of pairs an interval says little."""
FOLDER = "calibration"
"""The folder beside the label store with what a judge was asked here, so that it is not asked again."""
OF_LABELERS = re.compile(r"[+~]*(\w+@)?labeler\b")


class Compared(NamedTuple):
    """A labeler compared with trusted answers."""

    tested: str
    trusted: str
    found: Calibration
    units: Mapping[str, str]  # of the features
    notes: list[str]


def main(arguments: list[str] | None = None) -> None:
    """Print the comparison; a failure ends the process with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.calibrate",
        description="Compare a labeler with trusted answers: agreement, Cohen's kappa, calibration error, flip rate, "
        "and the feature of the segments that biases it most.",
        epilog="Example: python -m rl_rewards.calibrate RUN_DIR labeler=ai_judge",
    )
    parser.add_argument("trusted", type=Path, metavar="RUN_DIR", help="a run with a label store, or the store itself")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="labeler=NAME",
        help="the labeler to ask about the stored pairs, with labeler.KEY=VALUE as for a run; without one, the stored "
        "answers are compared with the true return. Add trust=PACKAGE if the run's environment is your own class",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="use the pairs of this seed only; default: all")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the numbers to a file")
    chosen = parser.parse_args(arguments)
    with guarded():
        _run(chosen)


def _run(chosen: argparse.Namespace) -> None:
    compared = compare(chosen.trusted, chosen.overrides, chosen.seed)
    print("\n".join(in_words(compared)))
    if chosen.out is not None:
        told = {"tested": compared.tested, "trusted": compared.trusted, **asdict(compared.found)}
        write_whole(chosen.out, json.dumps(told, indent=1) + "\n")


def compare(path: Path, overrides: list[str], seed: int | None = None) -> Compared:
    """Return the comparison of the labeler of ``overrides``, or of the store's own answers, with what is trusted.

    Args:
        path: a run's folder, or its label store.
        overrides: those of the labeler, and ``trust=`` for packages that may provide the run's environment.
        seed: the seed whose pairs are used; None uses all.

    Raises:
        ConfigError: when there is no store or no answered pair, the labeler cannot be asked about the pairs, or the
            run's files are damaged or name a class that is not trusted.
    """
    trust, overrides = take_trust(overrides)
    foreign = [override for override in overrides if not OF_LABELERS.match(override)]
    require(
        not foreign,
        f"{' '.join(foreign)} is not a setting of a labeler; the others come from {path}'s run.",
    )
    store_path = path / STORE_NAME if path.is_dir() else path
    require(
        store_path.is_file(),
        f"{path} holds no label store; name a run whose answers are stored (a teacher needs labeler.store=true).",
    )
    run_dir = store_path.parent
    require((run_dir / "spec.json").is_file(), f"{run_dir} is not a run's folder: it lacks spec.json.")
    spec = EnvSpec.load(run_dir / "spec.json")
    pairs = _pairs(store_path, spec, seed)
    notes = [] if len(pairs.scores) >= FEW else [f"{len(pairs.scores)} pairs are few: expect wide intervals."]
    manners = {} if spec.text is None else _env(run_dir, trust).manners(pairs.obs, pairs.action)
    trusted, features = pairs.scores, pairs.features(spec) | manners
    units = {name: one.unit for name, one in nuisances_of(spec).items()} | dict.fromkeys(manners, "in a response")
    names = ", ".join(pairs.labelers)
    if overrides:
        asked, tested, more = _ask(run_dir, pairs, spec, overrides, trust)
        found = calibrate(asked.scores, trusted, features, asked.probability, asked.flip_rate)
        return Compared(tested, names, found, units, notes + more)
    returns = pairs.returns
    if returns is None:
        raise ConfigError(
            f"{store_path} does not know the true return of its clips; name a labeler to ask with labeler=NAME."
        )
    return Compared(names, "the true return", calibrate(trusted, returns, features), units, notes)


def _pairs(path: Path, spec: EnvSpec, seed: int | None) -> Pairs:
    store = LabelStore(path)
    try:
        pairs = read_pairs(store, spec.name)
    finally:
        store.close()
    if seed is None:
        return pairs
    require(seed in pairs.seeds, f"{path} has no answered pair of seed {seed}.")
    return pairs.of_seed(seed)


def _ask(
    run_dir: Path, pairs: Pairs, spec: EnvSpec, overrides: list[str], trust: Sequence[str]
) -> tuple[AskedAgain, str, list[str]]:
    """Return the labeler's answers, its name, and notes on how it was asked."""
    from rl_rewards.loop.build import build_labeling

    config, env = _config(run_dir, overrides), _env(run_dir, trust)
    labeling, notes = build_labeling(config), []
    describe = env.describe
    if describe is not None and "info.scene" not in pairs.reads:
        describe = None
        if "scene" in labeling.requirements.optional_reads and env.passage is None:
            notes.append("The store holds no scenes, so segments are described in numbers and not in words.")
    node, again = config["labeler"], ask_again(labeling, pairs, spec, env.draw, describe, env.passage, run_dir / FOLDER)
    return again, str(node.get("model") or node["_target_"].rpartition(".")[2].lower()), notes


def _config(run_dir: Path, overrides: list[str]) -> dict[str, Any]:
    """Return the configuration of a run in the same environment with this labeler."""
    run_file = run_dir / "run.json"
    choice = read_json(run_file).get("env_choice") if run_file.is_file() else None
    return composed([*([f"env={choice}"] if choice else []), *overrides])


def _env(run_dir: Path, trust: Sequence[str]) -> Environment:
    """Return the run's own environment."""
    from rl_rewards.loop.build import build_env

    with reading(run_dir):
        return build_env(read_config(run_dir, ["env"], trust))


def in_words(compared: Compared) -> list[str]:
    """Return the comparison in lines of text."""
    tested, trusted, found, units, notes = compared
    mean, low, high = found.agreement
    refused = f" ({found.unanswered} more were refused)" if found.unanswered else ""
    lines = [
        *(f"Note: {note}" for note in notes),
        f"{tested} compared with {trusted} on {found.pairs} pairs{refused}",
        f"  {'agreement':<26} {mean:.3f} [{low:.3f}, {high:.3f}]  share of equal answers, ties included",
        f"  {'agreement where decided':<26} {_number(found.agreement_decided, 'no pair was decided by both')}",
        f"  {'kappa':<26} {_number(found.kappa, 'undefined: both always give the same answer')}",
        f"  {'calibration error':<26} {_number(found.calibration_error, 'no probabilities given')}",
        f"  {'flip rate':<26} {_number(found.flip_rate, 'no pair was asked twice')}",
    ]
    if not found.nuisances:
        return [*lines, "  no feature of these segments is known"]
    lines.append("  bias per standard deviation of a feature, for equal trusted answers (2 reverses an answer):")
    for name, (b, low, high) in sorted(found.nuisances.items(), key=lambda item: -abs(item[1][0])):
        lines.append(f"    {name:<24} {b:+.3f} [{low:+.3f}, {high:+.3f}]  ({units[name]})")
    return [*lines, f"  strongest bias: {found.leans_on or 'none found'}"]


def _number(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
