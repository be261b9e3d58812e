"""The command for data: ``python -m rl_rewards.data info PATH``; ``examples``, ``make`` and ``rated`` write files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.command_line.compose import composed
from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

if TYPE_CHECKING:
    from rl_rewards.core.types import EnvSpec


def main(arguments: list[str] | None = None) -> None:
    """Run the command that the arguments name; an error ends the process with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.data",
        description="Describe recorded data and examples, record examples, or make data sets for offline learning.",
        epilog="Example: python -m rl_rewards.data info FILE.npz env=point",
    )
    commands = parser.add_subparsers(required=True, metavar="info | examples | make | rated")
    info = commands.add_parser("info", help="describe demonstrations or examples: episodes, returns, ranges, NaN")
    info.add_argument(
        "names",
        nargs="+",
        metavar="PATH",
        help="an .npz or HDF5 file, minari:DATASET-ID or run:RUN_DIR; add env=NAME to check it for that environment",
    )
    info.set_defaults(job=lambda chosen: _info(chosen.names))
    examples = commands.add_parser("examples", help="write the example states that a run would otherwise record itself")
    examples.add_argument("out", type=Path, metavar="FILE.npz", help="the file to write")
    examples.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="config keys of a run: env, examples.goals, seed ..."
    )
    examples.set_defaults(job=lambda chosen: _examples(chosen.out, chosen.overrides))
    make = commands.add_parser("make", help="make a data set for offline learning, after the training that it takes")
    make.add_argument(
        "name", metavar="ENV/QUALITY", help="such as hopper/medium; rl_rewards.run --help datasets lists all"
    )
    make.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="keys of the environment and of the runs")
    make.add_argument("--steps", type=int, metavar="N", help="env steps; by default those of its recipe")
    make.add_argument("--seed", type=int, default=0, metavar="S", help="another seed gives another demonstrator")
    make.add_argument(
        "--folder",
        type=Path,
        default=Path("outputs", "datasets"),
        metavar="DIR",
        help="of data sets, and of their runs",
    )
    make.set_defaults(job=_make)
    rated = commands.add_parser("rated", help="fetch 23,703 short texts whose sentiment people have rated")
    rated.add_argument("--given", type=Path, metavar="FILE.tar.gz", help="their archive, if it is here already")
    rated.set_defaults(job=_rated)
    chosen = parser.parse_args(arguments)
    with guarded():
        chosen.job(chosen)


def _info(given: list[str]) -> None:
    """Print a description of files and datasets; arguments KEY=VALUE choose the environment to check them against."""
    overrides = [one for one in given if "=" in one and not Path(one).exists()]
    names = [one for one in given if one not in overrides]
    require(len(names) > 0, "There is nothing to describe; name an .npz file, minari:DATASET-ID or run:RUN_DIR.")
    for name in names:
        is_file = name.startswith(("minari:", "run:")) or Path(name).is_file()
        told = "is not a file" if Path(name).exists() else "does not exist"
        require(is_file, f"{name} {told}; name an .npz file of recorded data or examples, minari:ID or run:RUN_DIR.")
    from rl_rewards.data.demonstrations.load import read_demonstrations
    from rl_rewards.loop.build import build_env
    from rl_rewards.loop.ram import free_bytes

    spec = build_env(composed(overrides)).spec if overrides else None
    for name in names:
        print("\n".join(describe(name, read_demonstrations(name, free_bytes()), spec)))


def describe(name: str, arrays: dict[str, np.ndarray], spec: EnvSpec | None = None) -> list[str]:
    """Return lines that describe a set of arrays, even an invalid one, and its faults.

    Args:
        name: the file or the dataset, for the first line and the messages.
        arrays: in the layout in which they are stored.
        spec: the environment to check against; with None, bounds and step limit are not checked.
    """
    from rl_rewards.data.demonstrations.layouts import Translated, in_our_layout

    unreadable = []
    try:
        arrays, notes, doubts = in_our_layout(name, arrays)
    except ConfigError as error:
        (arrays, notes, doubts), unreadable = Translated(arrays), [f"  refused: {error}"]
    env = str(arrays["env"]) if "env" in arrays and arrays["env"].ndim == 0 else "an unnamed environment"
    numbers = [key for key in sorted(arrays) if key not in ("env", "episode_start", "episode_return")]
    lines = [f"  {key:<16} {_array(arrays[key])}" for key in numbers]
    if any(key.startswith(("goal_", "non_goal_")) for key in arrays):
        lines += [] if spec is None else _faults_of_examples(name, dict(arrays), spec)
    elif unreadable:
        lines += unreadable
    else:
        lines = [f"  {note}" for note in notes] + _episodes(name, dict(arrays)) + lines
        lines += _coverage(name, dict(arrays), spec) + _faults(name, dict(arrays), spec, doubts)
    if spec is None:
        lines.append("  to check it against its environment too, add for example env=point")
    return [f"{name}: recorded on {env}", *lines]


def _episodes(name: str, arrays: dict[str, np.ndarray]) -> list[str]:
    from rl_rewards.data.demonstrations.checks import check_layout
    from rl_rewards.data.demonstrations.coverage import returns_in_words, successes_in_words
    from rl_rewards.data.demonstrations.fit import is_thinned, last_rows, steps_of

    try:
        check_layout(name, arrays, None)
    except ConfigError:  # it is reported with the other faults
        return []
    lengths = steps_of(arrays)[last_rows(arrays)] + 1
    kept = f"{len(arrays['obs']):,} of {lengths.sum():,} kept" if is_thinned(arrays) else f"{lengths.sum():,} in all"
    episodes = "1 episode" if len(lengths) == 1 else f"{len(lengths)} episodes"
    lines = [f"  {episodes} of {_spread(lengths)} steps, {kept}"]
    lines.append(f"  {int(arrays['terminated'].sum())} of the episodes terminate, the others are truncated")
    return lines + returns_in_words(arrays) + successes_in_words(arrays)


def _coverage(name: str, arrays: dict[str, np.ndarray], spec: EnvSpec | None) -> list[str]:
    from rl_rewards.data.demonstrations.checks import check_layout, check_numbers
    from rl_rewards.data.demonstrations.coverage import actions_in_words, states_in_words, texts_in_words
    from rl_rewards.data.demonstrations.fit import holds_tokens

    try:
        check_layout(name, arrays, spec)
        check_numbers(name, arrays, spec)
    except ConfigError:  # it is reported with the other faults
        return []
    if holds_tokens(arrays):
        return texts_in_words(arrays, spec)
    return actions_in_words(arrays, spec) + states_in_words(arrays, spec)


def _faults(name: str, arrays: dict[str, np.ndarray], spec: EnvSpec | None, doubts: tuple[str, ...]) -> list[str]:
    from rl_rewards.data.demonstrations.checks import faults

    refused, doubted = faults(name, arrays, spec)
    found = [f"  refused: {one}" for one in refused] + [f"  warning: {one}" for one in (*doubts, *doubted)]
    return found or ["  no faults were found"]


def _faults_of_examples(name: str, arrays: dict[str, np.ndarray], spec: EnvSpec) -> list[str]:
    from rl_rewards.data.examples import check_examples

    try:
        check_examples(name, arrays, spec, needs_action="goal_action" in arrays)
    except ConfigError as error:
        return [f"  refused: {error}"]
    return ["  no faults were found"]


def _spread(values: np.ndarray) -> str:
    if values.min() == values.max():
        return f"{values[0]:.6g}"
    return f"{values.mean():.6g} (standard deviation {values.std():.3g}, {values.min():.6g} to {values.max():.6g})"


def _array(array: np.ndarray) -> str:
    told = f"{array.dtype} {list(array.shape)}"
    if not array.size or array.dtype.kind not in "iuf":
        return told if array.dtype.kind in "iufb" else f"{told}, which are not real numbers"
    finite = np.isfinite(array)
    with np.errstate(over="ignore"):
        large = int(np.sum(finite & ~np.isfinite(array.astype(np.float32))))
    if finite.any():
        told += f", {array[finite].min():.6g} to {array[finite].max():.6g}"
    told += f", {int(np.sum(~finite))} NaN or infinite" if not finite.all() else ""
    return told + (f", {large} too large for float32" if large else "")


def _examples(out: Path, overrides: list[str]) -> None:
    config = composed(overrides)
    from rl_rewards.data.examples import collect_examples, save_examples
    from rl_rewards.loop.build import build  # slow to import, so only after the configuration is valid

    parts, settings = build(config)
    env, wanted = parts.env, settings.examples
    arrays = collect_examples(env, wanted.goals, wanted.non_goals, settings.seed)
    save_examples(out, env.spec, arrays)
    print(f"{out}: {wanted.goals} goals and {wanted.non_goals} non-goals of {env.spec.name}")


def _make(chosen: argparse.Namespace) -> None:
    """Make a data set, and describe it."""
    from rl_rewards.command_line.datasets import make_dataset
    from rl_rewards.data.demonstrations.load import read_demonstrations

    path = make_dataset(chosen.name, chosen.steps, chosen.seed, chosen.folder, chosen.overrides)
    print("\n".join(describe(str(path), read_demonstrations(str(path)))))
    print(f"  what it was made from, and the references of scores: {path.with_suffix('.json')}")


def _rated(chosen: argparse.Namespace) -> None:
    from rl_rewards.data.rated.texts import FOLDER, fetch_rated_texts

    path = fetch_rated_texts(FOLDER, chosen.given)
    print(f"{path}: texts with human ratings of their sentiment; licence and citation stand beside them")


if __name__ == "__main__":
    main()
