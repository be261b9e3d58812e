"""Entry point of reports: ``python -m rl_rewards.report PATH...`` writes report.html and prints its path.

For one run it is the report of that run; for several runs, a study or a sweep, one page shows all side by side.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rl_rewards.core.errors import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report and return the exit code: 0, or 2 if there is nothing to report or it cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.report",
        description="Write report.html, which shows the learned reward beside the true outcome, and print its path. "
        "The page of one run goes into its folder, that of several runs into the folder that holds them all.",
        epilog="Example: python -m rl_rewards.report 'outputs/2026-11-21/*'",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="folder of a run (finished or not), a study or a sweep, or a quoted glob such as 'outputs/*/*'",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the page to FILE instead")
    chosen = parser.parse_args(arguments)
    try:
        print(_write(chosen.paths, chosen.out))
    except ConfigError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Error: the report of {' '.join(chosen.paths)} cannot be written: {error}.", file=sys.stderr)
        return 2
    return 0


def _write(paths: Sequence[str], out: Path | None) -> Path:
    from rl_rewards.reporting.find_runs import find_runs, home_of, single_run

    if (run_dir := single_run(paths)) is not None:
        from rl_rewards.reporting.page import write_report

        return write_report(run_dir, out)
    from rl_rewards.reporting.comparison import write_comparison

    found = find_runs(paths)
    out = out or home_of(found) / "report.html"
    write_comparison(found, out)
    return out


if __name__ == "__main__":
    sys.exit(main())
