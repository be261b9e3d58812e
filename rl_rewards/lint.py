"""Entry point that warns of faults of a written reward: ``python -m rl_rewards.lint env=ENV reward=REWARD``.

Simple policies act in the environment, and what the reward pays them is looked at; nothing is trained. What is measured
and what is guessed: rl_rewards/auditing/README.md.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rl_rewards.command_line.compile_cache import prepare_jax
from rl_rewards.command_line.compose import composed
from rl_rewards.command_line.exits import FAILED, guarded
from rl_rewards.core.files import write_whole
from rl_rewards.core.strict_json import strict


def main(arguments: list[str] | None = None) -> None:
    """Print the warnings; a failure, or a warning with ``--strict``, ends the process with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.lint",
        description="Warn of faults of a reward that a person or a language model wrote: death pays more than life, a "
        "loop pays, a term dominates, is constant, not a number or always clipped. Simple policies act, and nothing is "
        "trained.",
        epilog="Example: python -m rl_rewards.lint env=point reward=written reward.file=REWARD.txt",
    )
    parser.add_argument(
        "overrides",
        nargs="+",
        metavar="KEY=VALUE",
        help="environment and reward, as for rl_rewards.run; algorithm=NAME or algorithm.discount=X sets the discount",
    )
    parser.add_argument("--strict", action="store_true", help="exit with code 1 if there is a warning")
    parser.add_argument("--policy", metavar="RUN_DIR", help="a run in the same environment, whose policy also acts")
    parser.add_argument("--copies", type=int, metavar="N", help="environments of each policy; default: 4")
    parser.add_argument(
        "--steps", type=int, metavar="N", help="steps in each; default: whole episodes, 400 to 1,000 steps"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the numbers to a file")
    chosen = parser.parse_args(arguments)
    with guarded():
        warned = _run(chosen)
    if warned and chosen.strict:
        sys.exit(FAILED)


def _run(chosen: argparse.Namespace) -> bool:
    """Print what is found, and return True if there is a warning."""
    config = composed(chosen.overrides)
    prepare_jax()
    from rl_rewards.auditing.lint.play import COPIES
    from rl_rewards.auditing.lint.whole import lint
    from rl_rewards.auditing.lint.words import in_words

    copies = COPIES if chosen.copies is None else chosen.copies
    found = lint(config, copies, chosen.steps, chosen.policy)
    print("\n".join(in_words(found)))
    if chosen.out is not None:
        told = strict([asdict(one) for one in found])
        write_whole(chosen.out, json.dumps(told, indent=1, allow_nan=False) + "\n")
    return any(one.warnings for one in found)


if __name__ == "__main__":
    main()
