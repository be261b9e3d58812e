"""``--help`` fits a screen, tells about every choice and every key, and names what is near when it knows nothing."""

import re
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from rl_rewards.command_line.choices import CONFIGS, chapter_of, list_choices, list_groups
from rl_rewards.command_line.documented import PARTS, keys_of_choice, keys_of_runs
from rl_rewards.command_line.help import CHAPTERS, TOPICS, print_help
from rl_rewards.core.errors import ConfigError
from tests.runs import composed


@pytest.fixture
def page(capsys, monkeypatch):
    """Return a function from the arguments of ``--help`` to the lines that it prints, 80 columns wide."""

    def lines(*topics, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        print_help(["--help", *topics])
        return capsys.readouterr().out.splitlines()

    return lines


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_overview_fits_a_screen(page, columns):
    lines = page(columns=columns)
    assert len(lines) <= 40 and max(map(len, lines)) <= min(columns, 100)


@pytest.mark.parametrize("topic", [*TOPICS, "keys", "gail", "reward.mixup", "labeler=human", "hidden"])
def test_pages_are_no_wider_than_a_terminal(page, topic):
    for columns in (80, 100):
        whole = [line for line in page(topic, columns=columns) if " " in line.strip()]  # a long word stays whole
        assert whole and max(map(len, whole)) <= columns


def test_topics_that_the_overview_names_are_there(page):
    named = re.findall(r"--help ([\w.]+)", "\n".join(page()))
    assert {"rewards", "gail", "algorithm.clip", "keys"} <= set(named)
    assert all(page(topic) for topic in named)


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic != "experiments"])
def test_every_choice_of_a_group_is_in_its_table(page, topic):
    lines = page(topic)
    names = {line.split()[0] for line in lines[lines.index("") :] if re.match(r"  \S", line)}
    assert names == set(list_choices(TOPICS[topic]))


def test_every_experiment_has_a_line_with_its_time_below_its_chapter(page):
    lines = page("experiments", columns=100)
    for name in list_choices("experiment"):
        assert chapter_of(name) in CHAPTERS, "each chapter has its heading"
        chapter = next((i for i, line in enumerate(lines) if line.startswith(f"{chapter_of(name)}/...")), 0)
        last = name.removeprefix(f"{chapter_of(name)}/")
        line = next(line for line in lines[chapter:] if line.startswith(f"  {last} "))
        assert re.match(rf"  {last} +\d+ (s|min|h)  \S.*[.?]$", line), "its YAML says # About N minutes on two cores."


def test_parts_that_others_share_are_in_no_table(page):
    shared = [path.stem for path in CONFIGS.rglob("_*.yaml")]
    lines = [line for topic in TOPICS for line in page(topic)]
    assert shared and not any(re.search(rf"\b{name}\b", line) for name in shared for line in lines)


def _set_keys(node, prefix):
    """The keys of a composed configuration that have a value of their own."""
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from _set_keys(value, f"{prefix}.{name}")
        elif name != "_target_":
            yield f"{prefix}.{name}"


@pytest.mark.parametrize("group", PARTS)
def test_every_key_of_a_composed_configuration_is_documented(group):
    known = keys_of_runs()
    for name in list_choices(group):
        plain = OmegaConf.to_container(composed(f"{group}={name}"))
        for key in _set_keys(plain[group], group):
            parts = key.split(".")
            above = [".".join(parts[:depth]) for depth in range(2, len(parts) + 1)]  # a mapping may be a key's value
            assert any(name in known.get(one, {}) for one in above), f"{name}: {key}"


def test_a_documented_default_is_what_the_configuration_has():
    """Also where a choice inherits from others and takes its network from another group."""
    found = keys_of_choice("algorithm", "sac_demos")
    values = {".".join(key): one.default for key, one in found.items()}
    cfg = composed("algorithm=sac_demos").algorithm
    for key in ("model.hidden", "model.activation", "discount", "batch_size", "rollout_length", "bc_weight"):
        node = cfg
        for part in key.split("."):
            node = node[part]
        shown = values[key].replace(" ", "").strip("[]").split(",")
        actual = [node] if not hasattr(node, "__len__") or isinstance(node, str) else node
        assert [str(one) if isinstance(one, str) else float(one) for one in actual] == [
            one if one.isalpha() else float(one) for one in shown
        ]


def test_every_key_says_what_it_means():
    silent = [
        f"{key} in {name}" for key, found in keys_of_runs().items() for name, one in found.items() if not one.meaning
    ]
    assert not silent, "its YAML has a comment beside the key"


def test_a_key_tells_its_meaning_range_and_default(page):
    lines = page("total_env_steps")
    assert lines[0] == "total_env_steps" and lines[-1] == "  default  2_000_000"
    assert lines[-2] == "  range    a whole number from 1 to 1,000,000,000,000"
    assert "  range    true or false" in page("video")


def test_a_key_of_several_choices_groups_those_that_agree(page):
    lines = page("reward.mixup")
    assert lines[0] == "reward.classifier.mixup"
    assert [line for line in lines if "default" in line] == ["  default  0.0  in adversarial_classifier"]
    assert "           1.0  in goal_classifier" in lines
    assert sum("range" in line for line in lines) == 1
    assert sum("range" in line for line in page("algorithm.temperature")) == 2


@pytest.mark.parametrize("topic", ["gail", "reward=gail"])
def test_a_choice_shows_its_keys_and_those_that_it_takes_from_others(page, topic):
    text = "\n".join(page(topic, columns=100))
    assert text.startswith("reward=gail: ")
    for start in (
        "reward.judges=obs_action ",
        "reward.classifier.gradient_penalty=1.0 ",
        "reward.classifier.model.hidden=",
    ):
        assert f"\n  {start}" in text


def test_an_experiment_is_found_without_its_chapter(page):
    for topic in ("main_job", "experiment=main_job", "experiment=lecture/classifiers/main_job"):
        lines = page(topic)
        assert lines[0].startswith("experiment=lecture/classifiers/main_job: ")
        assert "  arms:" in lines


def test_a_name_in_several_groups_tells_of_the_others(page):
    lines = page("mlp")
    assert any("classifier=mlp" in line for line in lines) and any("reward_model=mlp" in line for line in lines)


def test_keys_and_topics_may_stand_in_a_command_line(page):
    lines = page("reward=gail", "total_env_steps=1_000", "--multirun", "+reward@reward.parts.task=sqil")
    assert lines[0].startswith("reward=gail: ") and "total_env_steps" in lines
    assert any(line.startswith("reward=sqil: ") for line in lines)


@pytest.mark.parametrize(
    ("topic", "near"),
    [
        ("gial", "gail"),
        ("reward=gial", "reward=gail"),
        ("reward.mixpu", "reward"),
        ("rewrads", "rewards"),
        ("env.budget", "reward.budget"),
        ("gamma", "algorithm.discount"),
    ],
)
def test_what_is_not_known_is_one_sentence_with_what_is_near(page, topic, near):
    with pytest.raises(ConfigError, match=rf"^--help {topic} is not a topic, a choice or a key; did you mean .*{near}"):
        page(topic)


def test_what_nothing_is_near_is_one_sentence_too(page):
    with pytest.raises(ConfigError, match=r"; --help alone lists the topics\.$"):
        page("xyzzyxyzzy")


def test_every_group_has_a_page(page):
    assert all(page(group) for group in list_groups())


def test_an_answer_needs_no_heavy_library():
    program = (
        "import sys; sys.argv = ['run', '--help', 'reward.mixup']\n"
        "from rl_rewards.run import main; main()\n"
        "sys.exit(any(name in sys.modules for name in ('jax', 'numpy', 'matplotlib')))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0 and answer.stdout.startswith("reward.classifier.mixup")
