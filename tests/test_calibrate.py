"""``python -m rl_rewards.calibrate`` checks labelers, here with stores of synthetic teachers and a local judge."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from omegaconf import OmegaConf

from rl_rewards.calibrate import compare, compare_all, main
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Query
from rl_rewards.labelers.exchange import export_lines, import_lines
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.labelers.pairs import read_pairs
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.loop.build import build_env
from rl_rewards.reporting.judges import headline, in_words
from tests.labelers.assignments import assignment
from tests.labelers.judge_server import JudgeServer
from tests.labelers.test_oracle import PLAIN
from tests.probes import make_rollout
from tests.runs import composed

STEPS = 6


def walks(spec, n, span=0.5):
    """Return pairs of walks in the square, whose lengths are independent of their returns."""
    rng = np.random.default_rng(0)
    shape = (n, 2, STEPS)
    action = rng.normal(size=(*shape, 2)) * rng.uniform(0.1, 1.0, size=(n, 2, 1, 1))
    position = rng.uniform(-span, span, size=(n, 2, 1, 2)) + 0.1 * np.cumsum(np.insert(action, 0, 0.0, axis=2), axis=2)
    flag = np.zeros(shape, bool)
    return make_rollout(spec, 1, 1).replace(
        obs=position[:, :, :-1].astype(np.float32),
        next_obs=position[:, :, 1:].astype(np.float32),
        action=action.astype(np.float32),
        env_reward=rng.normal(size=shape).astype(np.float32),
        info={"scene": position[:, :, 1:].astype(np.float32)},
        **dict.fromkeys(("terminated", "truncated", "valid", "is_demo"), flag),
    )


def answered_run(folder, n=200, seed=0, span=0.5, **teacher):
    """Return the folder of a run on ``point`` whose teacher has answered ``n`` pairs."""
    folder.mkdir(exist_ok=True)
    cfg = composed("env=point")
    spec = build_env(cfg).spec
    spec.save(folder / "spec.json")
    OmegaConf.save(cfg, folder / "config.yaml")
    (folder / "run.json").write_text(json.dumps({"env_choice": "point"}))
    asked = replace(assignment(n, seed=seed, folder=folder, spec=spec), budget=n)
    oracle = Teacher(**PLAIN | teacher | {"store": True}).make(asked)
    oracle.submit(Query(id=np.arange(n), segments=walks(spec, n, span)), 0)
    oracle.close()
    return folder


def test_a_runs_own_answers_against_the_true_return(tmp_path):
    right = compare_all(answered_run(tmp_path / "right"), [])
    assert right.notes == [] and right.compared[0].found.leans_on is None
    assert right.compared[0].found.agreement == (1.0, 1.0, 1.0)
    mistaken = compare(answered_run(tmp_path / "mistaken", n=400, mistake=0.22), []).found
    assert mistaken.agreement[0] == pytest.approx(0.78, abs=0.05) and mistaken.leans_on is None
    assert mistaken.kappa == pytest.approx(0.56, abs=0.1)
    biased = compare(answered_run(tmp_path / "biased", bias=0.6), []).found
    assert biased.leans_on == "path_length" and biased.agreement[0] < 0.95


def test_a_labeler_is_asked_about_trusted_pairs(tmp_path, capsys):
    run, out = answered_run(tmp_path), tmp_path / "found.json"
    main([str(run), "labeler=oracle", "labeler.bias=0.6", "--out", str(out)])
    told = json.loads(out.read_text())
    assert told["leans_on"] == "path_length" and told["flip_rate"] == 0.0 and told["tested"] == "oracle"
    assert told["pairs"] == 200 and told["calibration_error"] is None
    printed = capsys.readouterr().out
    assert "strongest bias: path_length" in printed and "no probabilities given" in printed
    wavering = compare(run, ["labeler=oracle", "labeler.rationality=1", "labeler.store=true"]).found
    assert wavering.flip_rate > 0.1, "its noise depends on the order of the clips"


def test_the_pairs_of_one_seed(tmp_path):
    answered_run(tmp_path, n=30)
    answered_run(tmp_path, n=40, seed=1, mistake=1.0)
    assert compare(tmp_path, []).found.pairs == 70
    assert compare(tmp_path, [], seed=0).found.agreement[0] == 1.0
    assert compare(tmp_path / "labels.sqlite", [], seed=1).found.agreement[0] == 0.0


def by_speed(body):
    """Answer from the text of ``point`` that the faster clip is better, with a confidence of 0.9."""
    fast = [float(x) for x in re.findall(r"speed wanted: (\d+\.\d+)", body["messages"][1]["content"])]
    first = 0.9 if fast[0] > fast[1] else 0.1
    return ("A" if first > 0.5 else "B", {"A": float(np.log(first)), "B": float(np.log(1.0 - first))})


def test_an_ai_judge_is_asked_in_both_orders_and_never_twice(tmp_path):
    run = answered_run(tmp_path, n=40)
    with JudgeServer(by_speed) as server:
        judge = [f"labeler.base_url={server.base_url}", "labeler.key_variable=null"]
        compared = compare(run, ["labeler=ai_judge", *judge])
        asked = len(server.asked)
        again = compare(run, ["labeler=ai_judge", *judge])
        assert asked == 80 == len(server.asked), "each pair is asked in both orders, and replies are stored"
    found = compared.found
    assert again.found == found and compared.notes == [] and compared.tested == "gpt-4.1-mini"
    assert found.leans_on in ("action_size", "path_length") and found.nuisances["action_size"][1] > 0.3
    assert found.flip_rate == 0.0 and found.kappa < 0.4
    assert found.calibration_error == pytest.approx(0.9 - found.agreement_decided, abs=0.04)
    with JudgeServer(lambda body: "A") as server:
        judge = [f"labeler.base_url={server.base_url}", "labeler.key_variable=null", "labeler.model=a"]
        one_sided = compare(run, ["labeler=ai_judge", *judge]).found
    assert one_sided.flip_rate == 1.0 and one_sided.agreement[0] == 0.0
    assert one_sided.calibration_error is None, "this judge never reports its confidence"


def test_what_is_known_of_clips_travels_with_them_and_may_be_missing(tmp_path):
    run, other = answered_run(tmp_path / "run", n=20, bias=0.6), tmp_path / "other"
    other.mkdir()
    for name in ("spec.json", "config.yaml", "run.json"):
        (other / name).write_bytes((run / name).read_bytes())
    one, copy = LabelStore(run / STORE_NAME), LabelStore(other / STORE_NAME)
    export_lines(one.database, tmp_path / "labels.jsonl")
    import_lines(copy.database, tmp_path / "labels.jsonl")
    assert compare(other, []).found == compare(run, []).found
    known, asked = read_pairs(copy, "point"), walks(build_env(composed("env=point")).spec, 20)
    np.testing.assert_array_equal(known.segments(swapped=False).next_obs[:, :, -1], asked.next_obs[:, :, -1])
    np.testing.assert_array_equal(known.segments(swapped=True).info["scene"], asked.info["scene"][:, ::-1])
    with copy.database.writing() as connection:
        connection.execute("DROP TABLE details")  # as in an older store
    copy.close()
    with pytest.raises(ConfigError, match="does not know the true return"):
        compare(other, [])
    with pytest.raises(ConfigError, match="reads env_reward, which the label store does not have"):
        compare(other, ["labeler=oracle"])
    with JudgeServer(lambda body: "A") as server:
        judge = [f"labeler.base_url={server.base_url}", "labeler.key_variable=null"]
        assert "described in numbers" in compare(other, ["labeler=ai_judge", *judge]).notes[0]


def test_what_is_told(tmp_path):
    lines = "\n".join(in_words(compare_all(answered_run(tmp_path, n=10), [])))
    assert "10 pairs are few" in lines and "strongest bias: none found" in lines and "on 10 pairs" in lines


@pytest.mark.parametrize(
    ("overrides", "seed", "words"),
    [
        (["env=flip"], None, "env=flip is not a setting of a labeler"),
        (["labeler=human"], None, "A labeler that asks people cannot be used here"),
        (["labeler=oracle", "labeler.mistake=2"], None, r"labeler\.mistake=2"),
        ([], 7, "no answered pair of seed 7"),
    ],
)
def test_refusals(tmp_path, overrides, seed, words):
    with pytest.raises(ConfigError, match=words):
        compare(answered_run(tmp_path, n=20), overrides, seed)


def test_what_is_no_run_with_pairs(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path)])
    assert left.value.code == 2 and "holds no label store" in capsys.readouterr().err
    run = answered_run(tmp_path / "empty", n=20, skip=1.0)  # skips pairs with less than a typical return
    with pytest.raises(SystemExit):
        main([str(run), "labeler=nobody"])
    assert "nobody" in capsys.readouterr().err
    (run / "spec.json").unlink()
    with pytest.raises(ConfigError, match=r"lacks spec\.json"):
        compare(run, [])
    unanswered = answered_run(tmp_path / "none", n=0)
    with pytest.raises(ConfigError, match="has no answered pair"):
        compare(unanswered, [])
    other = answered_run(tmp_path / "other", n=20)
    build_env(composed("env=flip")).spec.save(other / "spec.json")
    with pytest.raises(ConfigError, match="answers about point, but its run uses"):
        compare(other, [])


def test_a_file_of_comparisons_and_several_judges(tmp_path, capsys):
    """The chosen responses are polite and brief. One judge prefers polite ones, another one long ones."""
    pytest.importorskip("tokenizers")
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"question {i} ?", "chosen": f"thank you {i}", "rejected": f"what a long answer to number {i}"}
        for i in range(30)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    main(
        [
            str(path), "labeler=rules", "labeler.rules.brief.weight=0", "labeler.rules.fresh.weight=0",
            "--judge", "labeler=rules labeler.rules.brief.weight=1 labeler.rules.polite.weight=0",
            "--out", str(tmp_path / "found.json"),
        ]
    )  # fmt: skip
    printed, found = capsys.readouterr().out, json.loads((tmp_path / "found.json").read_text())
    polite, wordy = found["judges"]
    assert polite["trusted"] == "pairs.jsonl" and polite["pairs"] == 30
    assert polite["agreement"] == [1.0, 1.0, 1.0] and wordy["agreement"] == [0.0, 0.0, 0.0]
    assert "ceiling" not in printed
    (difference,) = found["differences"]
    assert difference["only_one"] == 30 and difference["p"] < 1e-6
    assert "rules (1) is right more often than rules (2)" in printed
    page = (tmp_path / "pairs.calibration" / "judges.html").read_text()
    assert "agrees best with pairs.jsonl, in 100% of the decided pairs" in page and page.count("<img") == 2
    with pytest.raises(ConfigError, match="has no seeds"):
        compare(path, ["labeler=rules"], seed=0)
    with pytest.raises(ConfigError, match="does not know the true return"):
        compare(path, [])


def test_the_ceiling_of_noisy_answers_and_judges_that_cannot_be_told_apart(tmp_path):
    run = answered_run(tmp_path, n=300, mistake=0.25)
    judges = compare_all(run, [["labeler=oracle"], ["labeler=oracle", "labeler.bias=0.02"]])
    assert judges.ceiling.of == "truth" and judges.ceiling.share == pytest.approx(0.75, abs=0.05)
    assert judges.compared[0].found.agreement_decided == pytest.approx(judges.ceiling.share)
    told = "\n".join(in_words(judges))
    assert "oracle (1) and oracle (2) cannot be told apart" in told and "ceiling: 0.7" in told
    assert "oracle (2) cannot be told apart from it" in headline(judges)
    guessing = compare_all(run, [["labeler=oracle", "labeler.rationality=1e-6"]])
    assert "better than a coin" in headline(guessing)
