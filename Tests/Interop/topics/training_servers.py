"""Trainings and sweeps of the command line whose servers are stopped, are killed or do not answer."""
import glob, json, os, signal, subprocess, threading, time

from cases import CaseFailed, case, expect

# Far more steps than a case has time for.
ENDLESS = ["--model", "dnn", "--data", "iris", "--steps", "1000000000", "--json"]
# A signal ends a command within some tenths of a second; the rest is for a busy machine.
SIGNAL_SECONDS = 2


class Command:
    """A running command, and the lines that it has printed, errors too."""

    def __init__(self, cluster, *arguments):
        self.process = subprocess.Popen([cluster.weir, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.changed = [], threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    @property
    def text(self):
        return "".join(line for line in self.lines if line)

    def wait_for(self, word, seconds=30):
        """Waits until the command has printed a word, or, for None, until it has ended."""
        with self.changed:
            found = lambda: None in self.lines or (word is not None and word in self.text)
            self.changed.wait_for(found, seconds)
            if not found() or (word is not None and word not in self.text):
                raise CaseFailed(f"expected {'an end' if word is None else repr(word)} within {seconds} s, found: {self.text[-800:]}")

    def ends(self, seconds):
        """The exit status of a command that ends within this time."""
        self.wait_for(None, seconds)
        return self.process.wait(seconds)

    def children(self):
        # By thread: each has those that it has started.
        return [int(pid) for path in glob.glob(f"/proc/{self.process.pid}/task/*/children") for pid in open(path).read().split()]


def cluster_of(cluster):
    return ["--cluster", json.dumps(cluster.addresses)]


@case(worker=2, weir_only=True, each={"the first": dict(killed=0), "the second": dict(killed=1)})
def the_worker_that_was_killed_is_named_and_no_other(cluster, killed):
    training = Command(cluster, "train", *ENDLESS, "--strategy", "allreduce", *cluster_of(cluster))
    training.wait_for('"event":"step"')
    cluster.kill("worker", killed)
    del cluster.pids["worker", killed]
    expect(training.ends(15), 1, "exit status")
    said = [line for line in training.lines if line and ("is gone" in line or "is lost" in line)]
    expect(any(f"/job:worker/replica:0/task:{killed} is gone" in line for line in said), True, training.text[-800:])
    blamed = any(f"task:{1 - killed} is gone" in line or f"worker {1 - killed} is lost" in line for line in said)
    expect(blamed, False, f"whether the other one is blamed in {said}")


@case(ps=1, worker=1, weir_only=True)
def a_training_says_who_does_not_answer_and_ends_at_a_signal(cluster):
    cluster.kill("ps", 0, signal.SIGSTOP)
    training = Command(cluster, "train", *ENDLESS, "--strategy", "sync", *cluster_of(cluster))
    training.wait_for(f"/job:ps/task:0 at {cluster.addresses['ps'][0]} (no answer)")
    training.process.send_signal(signal.SIGTERM)
    expect(training.ends(SIGNAL_SECONDS), 1, "exit status")
    training = Command(cluster, "train", *ENDLESS, "--strategy", "sync", *cluster_of(cluster), "--wait", "1.5")
    expect(training.ends(20), 1, "exit status")
    expect("Training cannot begin: no answer within 1.5 seconds from /job:ps/task:0 at " in training.text, True, training.text)
    cluster.kill("ps", 0, signal.SIGCONT)


@case(worker=1, weir_only=True)
def servers_of_its_own_that_are_stopped_do_not_delay_a_signal(cluster):
    training = Command(cluster, "train", *ENDLESS, "--strategy", "sync", "--cluster", "local:ps=1,worker=2")
    training.wait_for('"event":"step"')
    stopped = training.children()[:2]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    training.process.send_signal(signal.SIGTERM)
    expect(training.ends(SIGNAL_SECONDS), 1, "exit status")
    left = [pid for pid in stopped if os.path.exists(f"/proc/{pid}")]
    expect(left, [], "servers that are left")


@case(worker=1, weir_only=True)
def a_sweep_whose_only_server_dies_ends_and_goes_on_later(cluster):
    folder = os.path.join(cluster.folder, "sweep")
    os.makedirs(folder)
    file, out = os.path.join(folder, "sweep.json"), os.path.join(folder, "out")
    with open(file, "w") as text:
        json.dump({"base": {"model": "dnn", "data": "iris", "steps": 400}, "search": "grid",
                   "parameters": {"learning-rate": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]},
                   "objective": {"metric": "test_accuracy", "goal": "max"}}, text)
    sweep = Command(cluster, "sweep", file, *cluster_of(cluster), "--out", out, "--wait", "0.5", "--json")
    sweep.wait_for('"event":"trial"')
    cluster.kill("worker", 0)
    del cluster.pids["worker", 0]
    killed = time.monotonic()
    expect(sweep.ends(20), 1, "exit status")
    for word in ["no server is left", "1 will go on from its last checkpoint", f"weir sweep {file} --out {out}"]:
        expect(word in sweep.text, True, f"whether it says {word!r} after {time.monotonic() - killed:.1f} s: {sweep.text[-800:]}")
    expect("elsewhere" in sweep.text, False, sweep.text[-800:])
    rest = Command(cluster, "sweep", file, "--slots", "1", "--out", out, "--json")
    expect(rest.ends(60), 0, "exit status")
    expect('"event":"done"' in rest.text and "goes on with" in rest.text, True, rest.text[-800:])
