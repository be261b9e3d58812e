"""The door to the report: ``python -m rl_rewards.report RUN_DIR`` writes RUN_DIR/report.html and prints its path."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 2 for a folder that cannot be reported."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.report",
        description="Write RUN_DIR/report.html: the learned reward beside the true outcome, in one file.",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="the folder of a run, finished or not")
    run_dir = parser.parse_args(arguments).run_dir
    from rl_rewards.reporting.page import write_report
    from rl_rewards.reporting.run_files import ReportError

    try:
        print(write_report(run_dir))
    except ReportError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Error: the report of {run_dir} cannot be written: {error}.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
