"""The door to data that people supply: ``python -m rl_rewards.data info PATH``, or ``examples`` to record some."""

import argparse
from pathlib import Path

import numpy as np

from rl_rewards.arguments import mended
from rl_rewards.declared import check_numbers
from rl_rewards.exits import guarded


def main(arguments: list[str] | None = None) -> None:
    """Do what the arguments say; leaves with an exit code where that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m rl_rewards.data", description="Data that people supply.")
    commands = parser.add_subparsers(required=True, metavar="info | examples")
    info = commands.add_parser("info", help="what demonstrations or examples hold: episodes, returns, ranges, NaN")
    info.add_argument("names", nargs="+", metavar="PATH", help="an .npz file, or minari:DATASET-ID")
    info.set_defaults(job=lambda chosen: _info(chosen.names))
    examples = commands.add_parser("examples", help="record the example states that a run records for itself")
    examples.add_argument("out", type=Path, metavar="FILE.npz", help="the file to write")
    examples.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="a run's: env, examples.goals, seed ...")
    examples.set_defaults(job=lambda chosen: _examples(chosen.out, chosen.overrides))
    chosen = parser.parse_args(arguments)
    guarded(lambda: chosen.job(chosen))


def _info(names: list[str]) -> None:
    from rl_rewards.loop.demonstrations import read_demonstrations

    for name in names:
        print("\n".join(describe(name, read_demonstrations(name))))


def describe(name: str, arrays: dict[str, np.ndarray]) -> list[str]:
    """Lines about a set of arrays, whatever is wrong with it."""
    env = str(arrays["env"]) if "env" in arrays else "an unnamed environment"
    lines = [f"{name}: recorded on {env}"]
    if "episode_start" in arrays and len(arrays["episode_start"]):
        lines += _episodes(arrays)
    for key in sorted(set(arrays) - {"env", "episode_start", "episode_return"}):
        lines.append(f"  {key:<16} {_array(arrays[key])}")
    return lines


def _episodes(arrays: dict[str, np.ndarray]) -> list[str]:
    starts = arrays["episode_start"]
    lengths = np.diff(np.append(starts, len(arrays["obs"])))
    lines = [f"  {len(starts)} episodes of {_spread(lengths)} steps, {len(arrays['obs']):,} in all"]
    if "episode_return" in arrays:
        lines.append(f"  true return {_spread(arrays['episode_return'])}")
    if "terminated" in arrays:
        lines.append(f"  {int(arrays['terminated'].sum())} of them end early, the others at a limit")
    return lines


def _spread(values: np.ndarray) -> str:
    if values.min() == values.max():
        return f"{values[0]:.6g}"
    return f"{values.mean():.6g} (standard deviation {values.std():.3g}, {values.min():.6g} to {values.max():.6g})"


def _array(array: np.ndarray) -> str:
    told = f"{array.dtype} {list(array.shape)}"
    if not array.size or not np.issubdtype(array.dtype, np.number):
        return told
    bad = int(np.sum(~np.isfinite(array)))
    finite = array[np.isfinite(array)]
    if finite.size:
        told += f", {finite.min():.6g} to {finite.max():.6g}"
    return told + (f", {bad} NaN or infinite" if bad else "")


def _examples(out: Path, overrides: list[str]) -> None:
    import hydra

    from rl_rewards.help import CONFIGS

    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = hydra.compose("config", mended(overrides))
    check_numbers(cfg)
    from rl_rewards.loop.build import build  # heavy: only for a configuration that can be right
    from rl_rewards.loop.examples import collect_examples, save_examples

    env = build(cfg).env
    arrays = collect_examples(env, cfg.examples.goals, cfg.examples.non_goals, cfg.seed)
    save_examples(out, env.spec, arrays)
    print(f"{out}: {cfg.examples.goals} goals and {cfg.examples.non_goals} non-goals of {env.spec.name}")


if __name__ == "__main__":
    main()
