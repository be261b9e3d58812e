"""A run that trains nothing: it writes metrics as a real one does, stops on SIGTERM with all saved, and goes on.

Its measure grows to ``1 - (x - 0.3)^2`` in five evaluations. ``fault`` makes it fail, or write NaN. It imports no
library, so that it starts in a few milliseconds.
"""

import fcntl
import json
import os
import signal
import sys
import time

ROUNDS = 5


def main(arguments):
    given = dict(one.split("=", 1) for one in arguments)
    folder = json.loads(given["hydra.run.dir"])
    os.makedirs(folder, exist_ok=True)
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    alone = open(os.path.join(folder, "run.lock"), "w")  # noqa: SIM115
    fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two at once in one folder fail
    if given.get("fault") == "fail":
        print("Error: it cannot be trained.", flush=True)
        return 1
    path = os.path.join(folder, "metrics.jsonl")
    done = 0
    if os.path.exists(path):
        with open(path) as rows:
            done = len(rows.readlines())
    seeds, x = int(given["num_seeds"]), float(given["x"])
    with open(path, "a") as metrics, open(os.path.join(folder, "rounds.txt"), "a") as rounds:
        for number in range(done, ROUNDS):
            time.sleep(float(given.get("seconds", 0.0)) / ROUNDS)
            value = (1.0 - (x - 0.3) ** 2) * (number + 1) / ROUNDS
            value = float("nan") if given.get("fault") == "not_a_number" and number == 2 else value
            values = [value + 0.001 * seed for seed in range(seeds)]
            row = {"round": number, "env_steps": 10 * number, "eval/success": values if seeds > 1 else value}
            metrics.write(json.dumps(row) + "\n")
            metrics.flush()
            rounds.write(f"{number}\n")
            rounds.flush()
            if stopped and number + 1 < ROUNDS:
                return 75
    with open(os.path.join(folder, "DONE"), "w") as file:
        file.write(json.dumps({"rounds": ROUNDS}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
