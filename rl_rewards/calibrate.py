"""The door to a check of labelers: ``python -m rl_rewards.calibrate RUN_DIR [labeler=NAME ...]``.

With a labeler it is asked about the pairs that RUN_DIR's own labelers have answered, whose answers are trusted. Without
one those answers are themselves held against the true return of the segments.
"""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from rl_rewards.command_line.compose import composed
from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, write_whole
from rl_rewards.core.types import EnvSpec
from rl_rewards.labelers.ask_again import Anew, ask_again
from rl_rewards.labelers.calibration import Calibration, calibrate
from rl_rewards.labelers.nuisance import NUISANCES
from rl_rewards.labelers.pairs import Pairs, read_pairs
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.loop.run_folder import read_config, reading
from rl_rewards.loop.trust import take_trust

FEW = 20
"""Pairs, below which an interval says little."""
FOLDER = "calibration"
"""Beside the label store: what a judge was asked here, so that it is not asked again."""
OF_LABELERS = re.compile(r"[+~]*(\w+@)?labeler\b")


class Compared(NamedTuple):
    """Who was held against whom."""

    tested: str
    trusted: str
    found: Calibration
    notes: list[str]


def main(arguments: list[str] | None = None) -> None:
    """Do what the arguments say; leaves with an exit code where that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.calibrate",
        description="Hold a labeler against trusted answers: agreement, Cohen's kappa, calibration error, flip rate, "
        "and which feature of the segments it leans on besides the task.",
    )
    parser.add_argument("trusted", type=Path, metavar="RUN_DIR", help="a run with a label store, or the store itself")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="labeler=NAME",
        help="whom to ask about the store's pairs, with labeler.KEY=VALUE as for a run; none: the store's own answers "
        "are held against the true return; trust=PACKAGE where the run's environment is a class of yours",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the pairs of this seed of the run; all by default")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the numbers there too")
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
    """The labeler of ``overrides``, or without any the store's own, held against what is trusted.

    Args:
        overrides: of the labeler; and ``trust=``, packages whose environment the run's configuration may name.

    Raises:
        ConfigError: when there is no store or no answered pair, the labeler cannot be asked about them, or the run's
            files are damaged or name a class that is not trusted.
    """
    trust, overrides = take_trust(overrides)
    foreign = [override for override in overrides if not OF_LABELERS.match(override)]
    require(not foreign, f"{' '.join(foreign)} says nothing of a labeler; the rest is as {path}'s run had it.")
    store_path = path / STORE_NAME if path.is_dir() else path
    require(
        store_path.is_file(),
        f"{path} holds no label store; name a run whose answers are stored (labeler.store=true of a teacher).",
    )
    run_dir = store_path.parent
    require((run_dir / "spec.json").is_file(), f"{run_dir} is not a run's folder: it lacks spec.json.")
    spec = EnvSpec.load(run_dir / "spec.json")
    pairs = _pairs(store_path, spec, seed)
    notes = [] if len(pairs.scores) >= FEW else [f"{len(pairs.scores)} pairs are few: expect wide intervals."]
    trusted, features = pairs.scores, pairs.features(spec)
    names = ", ".join(pairs.labelers)
    if overrides:
        asked, tested, more = _ask(run_dir, pairs, spec, overrides, trust)
        found = calibrate(asked.scores, trusted, features, asked.probability, asked.flip_rate)
        return Compared(tested, names, found, notes + more)
    returns = pairs.returns
    if returns is None:
        raise ConfigError(
            f"{store_path} does not know the true return of its clips; name a labeler to ask: labeler=NAME."
        )
    return Compared(names, "the true return", calibrate(trusted, returns, features), notes)


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
) -> tuple[Anew, str, list[str]]:
    """What the labeler says, its name, and what a person should know of how it was asked."""
    from rl_rewards.loop.build import build_env, build_labeling

    config, saved = _configs(run_dir, overrides, trust)
    with reading(run_dir):
        env = build_env(saved)
    labeling, notes = build_labeling(config), []
    describe = env.describe
    if describe is not None and "info.scene" not in pairs.reads:
        describe = None
        if "scene" in labeling.requirements.reads_if_there:
            notes.append("The store holds no scenes: segments are told in numbers, not in the environment's words.")
    node, anew = config["labeler"], ask_again(labeling, pairs, spec, env.draw, describe, run_dir / FOLDER)
    return anew, str(node.get("model") or node["_target_"].rpartition(".")[2].lower()), notes


def _configs(run_dir: Path, overrides: list[str], trust: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration of a run in the same environment with this labeler, and that of the run itself."""
    saved = read_config(run_dir, ["env"], trust)
    run_file = run_dir / "run.json"
    choice = read_json(run_file).get("env_choice") if run_file.is_file() else None
    return composed([*([f"env={choice}"] if choice else []), *overrides]), saved


def in_words(compared: Compared) -> list[str]:
    """Lines for a person."""
    tested, trusted, found, notes = compared
    mean, low, high = found.agreement
    refused = f" ({found.unanswered} more were refused)" if found.unanswered else ""
    lines = [
        *(f"Note: {note}" for note in notes),
        f"{tested}, held against {trusted}, over {found.pairs} pairs{refused}",
        f"  {'agreement':<26} {mean:.3f} [{low:.3f}, {high:.3f}]  share of the same answer, ties among them",
        f"  {'agreement where decided':<26} {_number(found.agreement_decided, 'no pair is')}",
        f"  {'kappa':<26} {_number(found.kappa, 'cannot be told: both always say the same thing')}",
        f"  {'calibration error':<26} {_number(found.calibration_error, 'no probabilities given')}",
        f"  {'flip rate':<26} {_number(found.flip_rate, 'not asked twice')}",
    ]
    if not found.nuisances:
        return [*lines, "  no feature is known of such segments"]
    lines.append("  leans on, a deviation of it, what is trusted being the same (2 turns an answer round):")
    for name, (b, low, high) in sorted(found.nuisances.items(), key=lambda item: -abs(item[1][0])):
        lines.append(f"    {name:<24} {b:+.3f} [{low:+.3f}, {high:+.3f}]  ({NUISANCES[name].unit})")
    return [*lines, f"  leans most on: {found.leans_on or 'none shown'}"]


def _number(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
