"""The READMEs: the first pages stay short, links lead somewhere, and every command is run by a test or says why not."""

import re
import shlex
from pathlib import Path

import pytest

from tests.readmes import PAGES, ROOT, RUN, all_commands
from tests.runs import composed

LARGEST = {"README.md": 12 * 1024, "CONTRIBUTING.md": 8 * 1024}  # bytes
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
NOT_COMPOSED = ("--config-dir", "resume=", "--help", "NAME")  # of other files, other folders, or any name
HERE = "tests/test_readme_commands.py"
RUN_BY = {
    r"make run( ARGS=.*)?": HERE,  # what it stands for: the same words after python -m rl_rewards.run
    r".* (labeler\.store=http://|FOLDER --shared)": "tests/labelers/test_shared_store.py",
    r".* (labeler=human|experiment=(hopper_backflip|try_labelling))": "tests/labelers/test_in_runs.py",
    r".* reward=ai_feedback": "tests/labelers/test_ai_judge.py",
    r".*experiment=lecture/classifiers/": "tests/lecture/classifiers/test_classifier_studies.py",
    r".*experiment=lecture/demonstrations/|.*experiment=lecture/CHAPTER/NAME": "tests/lecture/test_computed.py",
    r".*env=text algorithm=(lm|sampler|rloo) ": "tests/loop/test_language.py",
    r".* reward=written .*reward.file=": "tests/rewards/written/test_values.py",
    r".*env=text_chains ": "tests/test_smoke.py",
    r".*env=constitutional ": "tests/loop/test_constitutional.py",
    r".* pretrain=SmolLM2": "tests/loop/test_pretrained_file.py",
    r".*env=text_prompts env.path=FILE.jsonl algorithm=": "tests/loop/test_given_comparisons.py",
    r".*env=text_prompts .* reward=mixture ": "tests/reporting/test_without_true_reward.py",
    r".*env=text_prompts env.corpus=FOLDER ": "tests/loop/test_own_texts.py",
    r".*env=weighted ": "tests/loop/test_weighted.py",
    r".* placement=cpu ": "tests/loop/test_placement.py",
    r".* --multirun ": "tests/command_line/test_sweep.py",
    r".* --help( |$)": "tests/command_line/test_help.py",
    r".* resume=RUN_DIR trust=": "tests/loop/test_trust.py",
    r".* resume=": "tests/loop/test_resume.py",
    r".*--config-dir my_configs ": HERE,
    r".*--config-dir FOLDER ": "tests/loop/test_own_parts.py",
    r".*(--config-dir |PYTHONPATH=|python )scripts/examples": "tests/test_examples.py",
    r".*env\.id=my_module:MyEnv": "tests/envs/adapters/test_gymnasium.py",
    r"python -m rl_rewards\.data make( |$)": "tests/data/test_make.py",
    r"python -m rl_rewards\.data info run:": "tests/data/test_of_runs.py",
    r"make lecture|python -m rl_rewards\.lecture ": "tests/lecture/test_whole_lecture.py",
    r"python -m rl_rewards\.audit ": "tests/test_audit.py",
    r"python -m rl_rewards\.lint( |$)": "tests/test_lint.py",
    r"python -m rl_rewards\.play ": "tests/test_play.py",
    r"python -m rl_rewards\.search_reward ": "tests/reward_search/test_search.py",
    r"python -m rl_rewards\.search( |$)": "tests/searching/test_command.py",
    r"python -m rl_rewards\.advise": "tests/test_advise.py",
    r"python -m rl_rewards\.runs": "tests/test_list_runs.py",
    r"python -m rl_rewards\.(run|data|report|calibrate|label) ": HERE,
    r"python scripts/make_demos\.py": "tests/test_make_demos.py",
    r"python scripts/make_readme_gif\.py": "tests/test_make_readme_gif.py",
    r"python (scripts/verdict_table\.py|-m scripts\.rejudge)": "tests/test_verdict_table.py",
    r"python -m scripts\.measure_best": "tests/test_measure_best.py",
    r"python -m scripts\.redraw": "tests/test_redraw.py",
    r"make bench|python -m scripts\.bench": "tests/test_bench.py",
    r"make test ARGS=\"--cpu-times|RL_REWARDS_MJX=1 make test": "tests/conftest.py",
}
"""The beginning of a command -> the test that runs it or, with other words and smaller sizes, what it starts."""
NOT_RUN = {
    r"make( (setup|help|format|clean))?$|source |pip install ": "sets up or tidies the checkout that the tests run in",
    r"make (check|test|test-long|lint|type)$|\.ci/run": "runs the tests, or what .ci/run runs beside them",
    r"make (judge-local|language-data|onnx)": "downloads up to 200 MB",
    r"ssh |wandb sweep": "needs another machine, or an account",
    r"python (scripts/|-m scripts\.)(measure_(?!best)\w+|inject_faults)": "takes from ten minutes to hours",
}
"""The beginning of a command -> why no test runs it."""


def _anchors(page: Path) -> set[str]:
    """The places in a page that a link can name, as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _runs() -> list[str]:
    """The arguments of every run that composes as it stands."""
    found = [match[1] for command in all_commands() if (match := RUN.fullmatch(command))]
    return [line for line in found if not any(word in line for word in NOT_COMPOSED)]


@pytest.mark.parametrize("page", LARGEST)
def test_the_first_pages_stay_short(page):
    assert (ROOT / page).stat().st_size < LARGEST[page]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        there = page.parent / target if target else page
        assert there.exists(), target
        assert not anchor or anchor in _anchors(there), target + anchor


@pytest.mark.parametrize("command", all_commands())
def test_a_test_runs_the_command_or_it_is_said_why_not(command):
    by = [test for start, test in RUN_BY.items() if re.match(start, command)]
    why_not = [reason for start, reason in NOT_RUN.items() if re.match(start, command)]
    assert by or why_not, "name it in RUN_BY or NOT_RUN"
    assert all((ROOT / test).is_file() for test in by)


def test_every_entry_is_of_a_command():
    for start in [*RUN_BY, *NOT_RUN]:
        assert any(re.match(start, command) for command in all_commands()), start


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_programs_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    for module in re.findall(r"python -m ((?:rl_rewards|scripts)\.[\w.]*\w)", text):
        there = ROOT.joinpath(*module.split("."))
        assert there.with_suffix(".py").is_file() or (there / "__main__.py").is_file(), module
    for script in re.findall(r"python (scripts/[\w/]+\.py)", text):
        assert (ROOT / script).is_file(), script
    targets = {words.split()[1] for words in all_commands() if re.match(r"make \w", words)}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets <= set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))


@pytest.mark.parametrize("line", _runs())
def test_a_printed_command_composes(line):
    words = [re.sub("^pretrain=", "pretrain.run=", word) for word in shlex.split(line)]  # as rl_rewards.run reads it
    sweep = "--multirun" in words
    words = [re.sub(",.*", "", word) if sweep else word for word in words if not word.startswith("--")]
    words = [word for word in words if word != "job" and not word.startswith("hydra")]
    composed(*words)
