"""Entry point that lists runs: ``python -m rl_rewards.runs [PATH...]``; it deletes them only when told so."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rl_rewards.command_line.exits import end_with_the_reader, guarded
from rl_rewards.core.errors import ConfigError

FOLDER = "outputs"
ORDERS = ("age", "name", "status", "success", "best", "steps", "size")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the runs, or delete them, and return the exit code; a failure ends the process with its own."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.runs",
        description="List the runs below folders: their status, what was composed, the last and the best true outcome "
        "(success, or the true return), steps, age and size.",
        epilog="Example: python -m rl_rewards.runs --status interrupted,failed --where reward=gail --since 3d",
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="a folder with runs at any depth, or a quoted glob; default: outputs"
    )
    parser.add_argument("--status", metavar="STATUS", help="finished, running, interrupted or failed; or several: a,b")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only runs with this choice or value, such as reward=gail, 'env=point*' or algorithm.clip=0.2; repeatable",
    )
    parser.add_argument(
        "--since", metavar="TIME", help="started at most so long ago (30m, 12h, 3d, 2w), or since a date"
    )
    parser.add_argument("--before", metavar="TIME", help="started longer ago, or before a date")
    parser.add_argument("--sort", choices=ORDERS, default="age", help="default: age, the newest first")
    parser.add_argument("--reverse", action="store_true", help="the other way round")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.add_argument("--delete", action="store_true", help="delete the listed runs, after a question")
    parser.add_argument("--yes", action="store_true", help="with --delete: ask nothing")
    parser.add_argument("--needed", action="store_true", help="with --delete: also runs that others need")
    chosen = parser.parse_args(arguments)
    with guarded():
        return _run(chosen)


def _run(chosen: argparse.Namespace) -> int:
    from rl_rewards.command_line.listing.chosen import sort, with_options
    from rl_rewards.command_line.listing.listed import listed, run_folders
    from rl_rewards.command_line.listing.table import print_table

    if chosen.yes and not chosen.delete:
        raise ConfigError("--yes answers the question of --delete; add --delete, or leave it out.")
    roots = chosen.paths or [FOLDER]
    folders = run_folders(roots) if chosen.paths or Path(FOLDER).is_dir() else []
    now = datetime.now(UTC)
    runs = with_options(
        [listed(folder) for folder in folders], chosen.status, chosen.where, chosen.since, chosen.before, now
    )
    runs = sort(runs, chosen.sort, chosen.reverse)
    if chosen.json:
        print(json.dumps([run.record() for run in runs], indent=1))
    else:
        print_table(runs, now)
    if chosen.delete and runs:
        from rl_rewards.command_line.listing.deletion import delete_all

        if chosen.yes and not (chosen.paths or chosen.status or chosen.where or chosen.since or chosen.before):
            raise ConfigError("--delete --yes would delete every run in outputs; name a folder or a filter.")
        return delete_all(runs, roots, ask=not chosen.yes, also_needed=chosen.needed)
    return 0


if __name__ == "__main__":
    end_with_the_reader()  # not in main, because other programs that call it write to pipes of their own
    sys.exit(main())
