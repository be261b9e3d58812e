"""Entry point of searches over configurations: ``python -m rl_rewards.search SPACE.yaml [KEY=VALUE ...]``.

See rl_rewards/searching/README.md.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

from rl_rewards.clusters.engines import WHERE
from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require


def main(arguments: list[str] | None = None) -> None:
    """Search, train the best configuration on other seeds, and write the report; a failure ends with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.search",
        description="Search over configurations: trials are runs that several workers share, bad ones are stopped "
        "early, and the best configuration is trained again on seeds that did not select it.",
        epilog="Example: python -m rl_rewards.search point --workers 2. The same command goes on where it was stopped.",
    )
    parser.add_argument(
        "space", metavar="SPACE.yaml", help="the file with the space, or the name of one in configs/search"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="further ones of every run, as for rl_rewards.run"
    )
    parser.add_argument(
        "--folder", type=Path, metavar="FOLDER",
        help="where everything is kept; default: outputs/searches/NAME, after the file",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=int, metavar="N", help="different configurations, instead of the number in the file"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--workers", type=int, default=1, metavar="N", help="start N workers; default: 1")
    how.add_argument(
        "--worker", action="store_true", help="be one of any number of workers, on any machine that shares the folder"
    )
    parser.add_argument(
        "--on", choices=WHERE, default="processes", help="where workers run; default: processes of this machine"
    )
    parser.add_argument(
        "--resources", nargs="+", default=[], metavar="NAME=VALUE",
        help="what a worker on SLURM or Ray needs, such as minutes=240 cpus=4 gpus=1 partition=long",
    )  # fmt: skip
    chosen = parser.parse_intermixed_args(arguments)
    with guarded():
        _run(chosen)


def _run(chosen: argparse.Namespace) -> None:
    require(chosen.workers >= 1, f"--workers {chosen.workers} must be at least 1.")
    require(
        find_spec("optuna") is not None,
        "a search needs the package optuna, which is not installed; pip install 'rl_rewards[search]'.",
    )
    from rl_rewards.clusters.engines import resources_of
    from rl_rewards.loop.stop import StopRequest
    from rl_rewards.searching.plan import SEARCHED, find_space, read_plan

    path, resources = find_space(chosen.space), resources_of(chosen.resources)
    plan = read_plan(path, chosen.overrides, chosen.trials)
    folder = chosen.folder or SEARCHED / path.stem
    from rl_rewards.searching.page import headline, looked_at, write_search
    from rl_rewards.searching.result import PAGE, keep_settings, summarise
    from rl_rewards.searching.worker import Worker
    from rl_rewards.searching.workers import run_workers

    keep_settings(plan, folder)
    with StopRequest() as stop:
        if not chosen.worker and (chosen.workers > 1 or chosen.on != "processes"):
            words = [str(path.absolute()), *chosen.overrides, "--trials", str(plan.trials)]
            run_workers(words, folder, chosen.workers, chosen.on, resources, lambda: stop.name)
        worker = Worker(plan, folder, lambda line: print(line, flush=True), lambda: stop.name)
        worker.work()
        found = summarise(worker.trials, folder, lambda: stop.name)
    if found is None:
        print("Another worker trains the best configuration on the report seeds, and writes the report.")
        return
    write_search(plan, found, path.stem, folder / PAGE)
    print(f"\n{looked_at(found.counts)}\n{headline(found)}:\n  {found.command}\n  {folder / PAGE}", flush=True)


if __name__ == "__main__":
    main()
