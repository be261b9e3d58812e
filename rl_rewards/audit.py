"""Entry point of audits: ``python -m rl_rewards.audit RUN`` says what a learned reward pays for, and writes a page.

Texts and segments are edited so that one property differs, and the change of the reward is held against that of the
true reward, where it is known. See rl_rewards/auditing/README.md.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rl_rewards.command_line.exits import guarded
from rl_rewards.core.files import write_whole
from rl_rewards.core.strict_json import strict

PAGE = "audit.html"


def main(arguments: list[str] | None = None) -> None:
    """Print the audit and write its page; a failure ends the process with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.audit",
        description="Audit a learned reward: what it pays for by intervention, its distance to the true reward, and "
        "how far the policy is from the reward's training data.",
        epilog="Example: python -m rl_rewards.audit RUN_DIR --word hope",
    )
    parser.add_argument("run", metavar="RUN_DIR", help="a run with a learned reward; RUN_DIR@best for its best state")
    parser.add_argument("--seed", type=int, metavar="N", help="the seed, if the run trained several in one program")
    parser.add_argument(
        "--count", type=int, default=256, metavar="N", help="segments or responses to draw; default: 256"
    )
    parser.add_argument(
        "--random",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="share of random steps in segments of vectors, so that there is room to edit; default: 0.5",
    )
    parser.add_argument("--pairs", action="store_true", help="audit on the pairs in the run's label store instead")
    parser.add_argument("--word", metavar="WORD", help="a trigger word to look for, in texts")
    parser.add_argument(
        "--margin", type=float, metavar="X", help="least excess that counts, in standard deviations of the reward"
    )
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE", help="a package of your own classes")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the numbers to a file")
    chosen = parser.parse_args(arguments)
    with guarded():
        _run(chosen)


def _run(chosen: argparse.Namespace) -> None:
    from rl_rewards.auditing.effects import MARGIN
    from rl_rewards.auditing.whole import audit
    from rl_rewards.auditing.words import in_words, page
    from rl_rewards.loop.saved_state import saved_state
    from rl_rewards.loop.trust import trusted_packages
    from rl_rewards.reporting.page import write_page

    found = audit(
        chosen.run,
        chosen.seed,
        count=chosen.count,
        random=chosen.random,
        pairs=chosen.pairs,
        word=chosen.word,
        margin=MARGIN if chosen.margin is None else chosen.margin,
        trust=trusted_packages(chosen.trust),
    )
    print("\n".join(in_words(found)))
    path = saved_state(chosen.run).run_dir / PAGE
    write_page(path, "audit.html.j2", page(found))
    print(path)
    if chosen.out is not None:
        write_whole(chosen.out, json.dumps(strict(asdict(found)), indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
