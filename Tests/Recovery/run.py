#!/usr/bin/env python3
"""Kills and stops the processes of trainings, and fills their disks. Needs no TensorFlow; prints one line a case.

    Tests/Recovery/run.py --weir .build/release/weir               # every case
    Tests/Recovery/run.py --weir .build/release/weir --only counts --kills 200 --seed 7

counts   SIGKILL of random servers at random moments: every synchronous update is in the variables exactly once
bits     the same, with a network: the values at the end have the bits of a training that nobody disturbs
stopped  SIGSTOP for 10 seconds of a worker, of a parameter server and of the chief's worker: training ends at its last update
client   SIGKILL of the client: --resume goes on, with the same bits
disk     a disk that is full, and a folder that cannot be written, at the time of a checkpoint
"""
import argparse, json, os, queue, random, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

MODEL = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "shape" value { shape { dim { size: -1 } dim { size: 4 } } } } }
%s
node { name: "sum" op: "AddV2" input: "a/read" input: "b/read" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "zero" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 0 } } } }
node { name: "none" op: "Mul" input: "x" input: "zero" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "rows" op: "AddV2" input: "none" input: "sum" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "axes" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
  attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } } int_val: 0 int_val: 1 } } } }
node { name: "loss" op: "Mean" input: "rows" input: "axes" attr { key: "T" value { type: DT_FLOAT } }
  attr { key: "Tidx" value { type: DT_INT32 } } attr { key: "keep_dims" value { b: false } } }
""" % "".join("""
node { name: "%(v)s" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { } } }
  attr { key: "shared_name" value { s: "%(v)s" } } }
node { name: "%(v)s/initial" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 0 } } } }
node { name: "%(v)s/assign" op: "AssignVariableOp" input: "%(v)s" input: "%(v)s/initial" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "%(v)s/read" op: "ReadVariableOp" input: "%(v)s" attr { key: "dtype" value { type: DT_FLOAT } } }
""" % {"v": v} for v in "ab")


class Cluster:
    """Servers in processes of their own, which are started again when they are killed."""

    def __init__(self, weir, ps=1, workers=2):
        sockets = [socket.socket() for _ in range(ps + workers)]
        for s in sockets: s.bind(("127.0.0.1", 0))
        ports = ["127.0.0.1:%d" % s.getsockname()[1] for s in sockets]
        for s in sockets: s.close()
        self.weir, self.spec = weir, {"ps": ports[:ps], "worker": ports[ps:]}
        if not ps: del self.spec["ps"]
        self.processes = {}
        for job, addresses in self.spec.items():
            for task in range(len(addresses)): self.start(job, task)

    def start(self, job, task):
        process = subprocess.Popen(
            [self.weir, "serve", "--cluster", json.dumps(self.spec), "--job", job, "--task", str(task), "--until-input-ends"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if "serving" not in process.stdout.readline(): raise SystemExit("a server did not start")
        self.processes[job, task] = process

    def signal(self, job, task, number): self.processes[job, task].send_signal(number)

    def restart(self, job, task):
        old = self.processes[job, task]
        old.kill()
        old.wait()
        self.start(job, task)

    def __enter__(self): return self
    def __exit__(self, *_):
        for p in self.processes.values(): p.kill()
        for p in self.processes.values(): p.wait()


class Training:
    """A client with --json, whose events are read as they come."""

    def __init__(self, weir, cluster, folder, *arguments, recover=60, shell_prefix=None):
        command = [weir, "train", "--out", folder + "/out", "--checkpoint", folder + "/model", "--json", "--folds", "2", *arguments]
        if cluster: command += ["--cluster", json.dumps(cluster.spec)]
        if recover: command += ["--recover", str(recover)]
        if shell_prefix: command = ["bash", "-c", shell_prefix + ' exec "$@"', "bash"] + command
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events, self.queue, self.folder = [], queue.Queue(), folder
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            self.events.append(event)
            self.queue.put(event)
        self.queue.put(None)

    def steps(self):
        """The events of steps of the first fold, as they come."""
        while (event := self.queue.get(timeout=120)) is not None:
            if event["event"] == "fold" and event["fold"] == 2: return
            if event["event"] == "step": yield event

    def end(self, limit=300):
        """Waits for the end, and returns the exit status and the error."""
        try: error = self.process.stderr.read()
        finally: status = self.process.wait(timeout=limit)
        return status, error

    def notices(self): return [e["text"] for e in self.events if e["event"] == "notice"]


def values(weir, path, names):
    """The values of variables in a checkpoint, as text."""
    return {n: subprocess.run([weir, "checkpoint", "cat", path, n], capture_output=True, text=True, check=True).stdout for n in names}


def expect(condition, message):
    if not condition: raise AssertionError(message)


def kill_at_random(cluster, training, kills, seed, victims):
    generator, done, left = random.Random(seed), 0, 3
    for _ in training.steps():
        left -= 1
        if left > 0 or done == kills: continue
        time.sleep(generator.random() * 0.01)
        cluster.restart(*generator.choice(victims))
        done, left = done + 1, generator.randint(1, 12)
    return done


def counts(weir, folder, options):
    with open(folder + "/count.pbtxt", "w") as f: f.write(MODEL)
    steps, kills = 40 * options.kills + 100, options.kills
    with Cluster(weir) as cluster:
        training = Training(
            weir, cluster, folder, "--model", folder + "/count.pbtxt", "--loss", "loss", "--input", "features=x:0", "--strategy", "sync", "--optimizer",
            "sgd", "--learning-rate", "1", "--batch", "4", "--steps", str(steps), "--checkpoint-every", "5")
        done = kill_at_random(cluster, training, kills, options.seed, list(cluster.processes))
        status, error = training.end()
        expect(status == 0, error)
        expect(done == kills, "training ended after %d of %d kills" % (done, kills))
        found = values(weir, "%s/fold-1/model-%d" % (folder, steps), ["a", "b", "global_step"])
        for name, text in found.items():
            number = float(re.findall(r"-?\d+(?:\.\d+)?", text.split(":")[-1])[-1])
            expect(abs(number) == steps, "%s is %s after %d updates" % (name, text, steps))
        attempts = sum("has ended after update" in n for n in training.notices())
        return "%d kills, %d new attempts, %d updates, each once" % (done, attempts, steps)


def bits(weir, folder, options):
    steps, names = 40 * options.kills // 4 + 100, None
    arguments = ["--strategy", "sync", "--steps", str(steps), "--checkpoint-every", "9", "--optimizer", "adam"]
    with Cluster(weir) as cluster:
        for name in ("calm", "disturbed"):
            os.mkdir(folder + "/" + name)
            training = Training(weir, cluster, folder + "/" + name, *arguments)
            if name == "disturbed": kill_at_random(cluster, training, options.kills // 4, options.seed, list(cluster.processes))
            status, error = training.end()
            expect(status == 0, error)
    paths = ["%s/%s/fold-1/model-%d" % (folder, n, steps) for n in ("calm", "disturbed")]
    different = subprocess.run([weir, "checkpoint", "diff", *paths], capture_output=True, text=True)
    expect(different.returncode == 0, different.stdout)
    return "%d kills, the same bits" % (options.kills // 4)


def stopped(weir, folder, options):
    result = []
    for victim in [("worker", 1), ("ps", 0), ("worker", 0)]:
        with Cluster(weir) as cluster:
            place = "%s/%s%d" % (folder, *victim)
            os.mkdir(place)
            training = Training(weir, cluster, place, "--strategy", "async", "--steps", "4000", "--checkpoint-every", "50")
            for step in training.steps():
                if step["step"] >= 100: break
            cluster.signal(*victim, signal.SIGSTOP)
            timer = threading.Timer(options.stop_seconds, lambda: cluster.signal(*victim, signal.SIGCONT))
            timer.start()
            status, error = training.end()
            timer.join()
            expect(status == 0, error)
            name = "/job:%s/task:%d" % victim if victim != ("worker", 1) else "worker 1 is lost"
            expect(any(name in n for n in training.notices()), "nothing names %s: %s" % (victim, training.notices()))
            result.append("%s %d" % victim)
    return ", ".join(result) + ": stopped for %g s, training ended at its last update" % options.stop_seconds


def client(weir, folder, options):
    arguments = ["--strategy", "sync", "--steps", "600", "--checkpoint-every", "20"]
    with Cluster(weir) as cluster:
        for name in ("calm", "killed"):
            os.mkdir(folder + "/" + name)
            training = Training(weir, cluster, folder + "/" + name, *arguments)
            if name == "killed":
                for step in training.steps():
                    if step["step"] >= 150: break
                training.process.kill()
                training.process.wait()
                training = Training(weir, cluster, folder + "/" + name, *arguments, "--resume")
            status, error = training.end()
            expect(status == 0, error)
    paths = ["%s/%s/fold-1/model-600" % (folder, n) for n in ("calm", "killed")]
    different = subprocess.run([weir, "checkpoint", "diff", *paths], capture_output=True, text=True)
    expect(different.returncode == 0, different.stdout)
    return "the client was killed; --resume has the same bits"


def disk(weir, folder, options):
    """A limit on the size of files is a full disk to the process that writes. Its other files here are smaller."""
    training = Training(
        weir, None, folder, "--hidden", "200,200", "--strategy", "single", "--steps", "20", "--checkpoint-every", "5", recover=None,
        shell_prefix="trap '' XFSZ; ulimit -f 100;")
    status, error = training.end()
    saved = [n for n in training.notices() if n.startswith("CHECKPOINT NOT SAVED")]
    expect(len(saved) == 8 and "the next try is after update 10" in saved[0], "%s" % training.notices())
    expect(any(e["event"] == "result" or "test_accuracy" in json.dumps(e) for e in training.events), "no results were shown")
    expect(status == 1 and "was not saved" in error, "exit status %d: %s" % (status, error))
    leftovers = [n for _, _, names in os.walk(folder) for n in names if "tempstate" in n]
    expect(not leftovers, "left over: %s" % leftovers)
    blocked = folder + "/blocked"
    open(blocked, "w").close()
    training = Training(weir, None, blocked, "--strategy", "single", "--steps", "5", recover=None)
    status, error = training.end()
    expect(status == 1 and not [e for e in training.events if e["event"] == "step"], "training began: %s" % error)
    return "a full disk leaves training going and fails at the end; a folder that cannot be made is refused at the start"


def main():
    cases = {f.__name__: f for f in (counts, bits, stopped, client, disk)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", default=".build/release/weir")
    parser.add_argument("--only", choices=cases, action="append")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stop-seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print("seed", options.seed, flush=True)
    failed = False
    for name in options.only or cases:
        folder, begin = tempfile.mkdtemp(prefix="weir-recovery-"), time.time()
        try:
            text = "ok     %s" % cases[name](os.path.abspath(options.weir), folder, options)
            shutil.rmtree(folder)
        except (AssertionError, queue.Empty, subprocess.SubprocessError, ValueError) as problem:
            text, failed = "FAILED %s (files: %s)" % (problem or type(problem).__name__, folder), True
        print("%-8s %6.1f s  %s" % (name, time.time() - begin, text), flush=True)
    sys.exit(failed)


if __name__ == "__main__": main()
