"""Entry point of searches: ``python -m rl_rewards.search_reward env=NAME ...`` lets a language model write the reward.

It writes candidates in the language of reward=written, policies are trained with all of them, and it improves the
fittest one. See rl_rewards/rewards/README.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

OURS = ("reward", "seed", "num_seeds", "resume", "experiment")
"""Keys of a run that a search sets itself."""
TEMPERATURE = "labeler.parameters.temperature="


def main(arguments: list[str] | None = None) -> None:
    """Search, and print what was found; a failure ends the process with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.search_reward",
        description="Let a language model write the reward: it writes candidates, a policy is trained with each, and "
        "the fittest is shown to it with its statistics, to be improved. The result is trained again on other seeds.",
        epilog="Example: python -m rl_rewards.search_reward env=point total_env_steps=100_000 "
        "labeler.model=gpt-4.1-mini",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="of every run, as for rl_rewards.run: environment, algorithm, budget; and labeler.KEY=VALUE, the endpoint "
        "and the model, as for labeler=ai_judge",
    )
    parser.add_argument("--candidates", type=int, default=4, metavar="N", help="rewards of an iteration; default: 4")
    parser.add_argument("--iterations", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the runs that select; default: 0")
    parser.add_argument(
        "--report-seeds", type=int, default=5, metavar="N",
        help="seeds, from 100, with which the result is trained again; default: 5",
    )  # fmt: skip
    parser.add_argument(
        "--folder", type=Path, default=Path("outputs/reward_search"), metavar="FOLDER",
        help="where everything is kept; the same command goes on there; default: outputs/reward_search",
    )  # fmt: skip
    chosen = parser.parse_args(arguments)
    with guarded():
        _run(chosen)


def _run(chosen: argparse.Namespace) -> None:
    from rl_rewards.command_line.compose import composed
    from rl_rewards.core.intervals import mean_interval
    from rl_rewards.labelers.judge.settings import JudgeSettings
    from rl_rewards.loop.build import build, build_env, build_labeling
    from rl_rewards.reward_search.search import BEST, Plan, search

    for name in ("candidates", "iterations"):
        require(getattr(chosen, name) > 0, f"--{name} {getattr(chosen, name)} must be at least 1.")
    require(chosen.report_seeds >= 0, f"--report-seeds {chosen.report_seeds} must be at least 0.")
    ours = [one for one in chosen.overrides if one.lstrip("+~").partition("=")[0].partition(".")[0] in OURS]
    require(not ours, f"{''.join(ours[:1])} is set by the search itself; leave it out.")
    of_model = [one for one in chosen.overrides if one.startswith(("labeler", "constitution@labeler"))]
    of_runs = [one for one in chosen.overrides if one not in of_model]
    build(composed([*of_runs, "reward=written", "reward.expression='norm(action)'"]))  # refuses what no run could use
    named = any(one.startswith("labeler=") for one in of_model)
    config = composed([*of_runs, *([] if named else ["labeler=ai_judge"]), *of_model])
    model = build_labeling(config)
    if not isinstance(model, JudgeSettings):
        raise ConfigError("The labeler of a search is the language model that writes; choose labeler=ai_judge.")
    if not any(one.lstrip("+").startswith(TEMPERATURE) for one in of_model):
        model = replace(model, parameters=model.parameters | {"temperature": 1.0})  # else all replies would be one
    plan = Plan(tuple(of_runs), chosen.candidates, chosen.iterations, chosen.seed, chosen.report_seeds)
    found = search(plan, build_env(config).spec, model, chosen.folder, lambda line: print(line, flush=True))
    assert found.best is not None
    print(f"\nThe fittest reward, in {chosen.folder / BEST}:\n{found.best.text.rstrip()}")
    print(f"{found.measure} {found.best.fitness:.3g} on the seed that selected it")
    if found.report:
        mean, low, high = mean_interval(found.report["fitness"])
        seeds = found.report["seeds"]
        exploited = sum(found.report["exploited"])
        print(
            f"{found.measure} {mean:.3g} [{low:.3g}, {high:.3g}] on seeds {seeds[0]}-{seeds[-1]}; exploited in "
            f"{exploited} of {len(seeds)}"
        )


if __name__ == "__main__":
    main()
