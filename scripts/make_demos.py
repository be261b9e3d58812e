"""Records example states of an environment to a file: ``python scripts/make_demos.py env=pencil_case out=FILE.npz``.

The examples are those a run records for itself when ``examples.path`` is null; from a file, several runs share them.
Options are Hydra's: any of ``env``, ``examples.goals``, ``examples.non_goals`` and ``seed``, as for a run.
"""

import sys
from pathlib import Path

import hydra

from rl_rewards.core.errors import ConfigError
from rl_rewards.help import CONFIGS
from rl_rewards.loop.build import build
from rl_rewards.loop.data import collect_examples, save_examples


def main() -> None:
    """Compose the configuration, record, write."""
    out = [argument.removeprefix("out=") for argument in sys.argv[1:] if argument.startswith("out=")]
    overrides = [argument for argument in sys.argv[1:] if not argument.startswith("out=")]
    if not out:
        sys.exit("Error: name the file to write, as in out=examples.npz.")
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = hydra.compose("config", overrides)
    try:
        env = build(cfg).env
        arrays = collect_examples(env, cfg.examples.goals, cfg.examples.non_goals, cfg.seed)
    except ConfigError as error:
        sys.exit(f"Error: {error}")
    path = Path(out[-1])
    save_examples(path, env.spec, arrays)
    print(f"{path}: {cfg.examples.goals} goals and {cfg.examples.non_goals} non-goals of {env.spec.name}")


if __name__ == "__main__":
    main()
