#!/usr/bin/env python3
"""Kills and stops the processes of trainings, and fills their disks. Needs no TensorFlow; prints one line a case.

    Tests/Recovery/run.py --weir .build/release/weir               # every case
    Tests/Recovery/run.py --weir .build/release/weir --only counts --kills 200 --seed 7

counts   SIGKILL of random servers at random moments: every synchronous update is in the variables exactly once
async    the same with asynchronous replicas: no update that is known to be made is lost, and none is made twice
bits     as counts, with a network: the values at the end have the bits of a training that nobody disturbs
stopped  SIGSTOP for 10 seconds of a worker, of a parameter server and of the chief's worker: training ends at its last update
client   SIGKILL of the client: --resume goes on, with the same bits
disk     a limit on the size of files, and a folder that cannot be made, at the time of a checkpoint
mounts   a file system that is full, and one that becomes read-only, at the time of a checkpoint; in a mount namespace of its own (unshare),
         and skipped where that is not permitted
"""
import argparse, errno, json, os, queue, random, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

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
        command = [weir, "train", "--out", folder + "/out", "--checkpoint", folder + "/model", "--json", "--progress-every", "0", "--folds", "2",
                   *arguments]
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

    def all(self):
        """All events, as they come."""
        while (event := self.queue.get(timeout=120)) is not None: yield event

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


class Skipped(Exception): pass


def kill_at_random(cluster, training, kills, seed, victims):
    """Kills servers at random moments while training makes steps, and returns which."""
    generator, done, left = random.Random(seed), [], 3
    for _ in training.steps():
        left -= 1
        if left > 0 or len(done) == kills: continue
        time.sleep(generator.random() * 0.01)
        victim = generator.choice(victims)
        cluster.restart(*victim)
        done.append(victim)
        left = generator.randint(1, 12)
    return done


def counting(folder):
    """The arguments of a training whose variables a and b go down by 1 with each update."""
    with open(folder + "/count.pbtxt", "w") as f: f.write(MODEL)
    return [
        "--model", folder + "/count.pbtxt", "--loss", "loss", "--input", "features=x:0", "--optimizer", "sgd", "--learning-rate", "1", "--batch", "4"]


def counted(weir, path):
    """How many updates the variables of a checkpoint have, by name."""
    texts = values(weir, path, ["a", "b", "global_step"])
    return {n: abs(int(float(re.findall(r"-?\d+(?:\.\d+)?", t.split(":")[-1])[-1]))) for n, t in texts.items()}


def counts(weir, folder, options):
    steps, kills = 40 * options.kills + 100, options.kills
    with Cluster(weir) as cluster:
        training = Training(
            weir, cluster, folder, *counting(folder), "--strategy", "sync", "--steps", str(steps), "--checkpoint-every", "5")
        done = len(kill_at_random(cluster, training, kills, options.seed, list(cluster.processes)))
        status, error = training.end()
        expect(status == 0, error)
        expect(done == kills, "training ended after %d of %d kills" % (done, kills))
        found = counted(weir, "%s/fold-1/model-%d" % (folder, steps))
        expect(all(n == steps for n in found.values()), "%s after %d updates" % (found, steps))
        attempts = sum("has ended after update" in n for n in training.notices())
        return "%d kills, %d new attempts, %d updates, each once" % (done, attempts, steps)


def asynchronous(weir, folder, options):
    """Of asynchronous replicas not all can be said: a step that is killed may have updated some variables only, and is not made again.

    While the parameter server stays, nothing is restored. Then a variable has all steps whose end is known, and of those whose end is not
    known at most one for each kill of a worker, two for a kill of the chief's, which ends both workers' steps.
    When the parameter server is killed, the steps after the last checkpoint are gone. But variables and the global step are of one moment
    but for the step of one worker that was on its way while the checkpoint was written, each time one is restored.
    """
    report, rounds = [], 0
    with Cluster(weir) as cluster:
        for kind, victims, wanted in [
            ("worker", [("worker", 0), ("worker", 1)], 2 * options.kills), ("server", [("ps", 0), ("ps", 0), ("worker", 1)], options.kills)]:
            total = updates = 0
            # A training has so many steps, however fast it is; there are as many trainings as it takes.
            while total < wanted:
                rounds += 1
                place = "%s/%d" % (folder, rounds)
                os.mkdir(place)
                training = Training(
                    weir, cluster, place, *counting(folder), "--strategy", "async", "--steps", "10000", "--checkpoint-every", "100", "--trained-folds",
                    "1")
                kills = kill_at_random(cluster, training, wanted - total, options.seed + rounds, victims)
                status, error = training.end()
                expect(status == 0, error)
                expect(kills, "training %d ended before a kill" % rounds)
                saved = [e["path"] for e in training.events if e["event"] == "saved"][-1]
                found = counted(weir, saved)
                done = [e for e in training.events if e["event"] == "done"][0]
                known, step = sum(done["updates_by_worker"]), found["global_step"]
                expect(step >= 10000, "training ended at update %d" % step)
                for name in "ab":
                    if kind == "worker":
                        limit = known + sum(2 if k == ("worker", 0) else 1 for k in kills)
                        expect(known <= found[name] <= limit and found[name] >= step, "%s, %d known, killed %s" % (found, known, kills))
                    else:
                        expect(abs(found[name] - step) <= len(kills), "%s, killed %s" % (found, kills))
                total, updates = total + len(kills), updates + step
            report.append("%d kills of a %s: %d updates" % (total, kind, updates))
    return "; ".join(report) + "; none lost or made twice"


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


def mounts(weir, folder, options):
    """Runs `mounted` as root of a mount namespace."""
    for prefix in (["unshare", "-m"], ["unshare", "-rm"]):
        try: tried = subprocess.run([*prefix, "sh", "-c", "mount -t tmpfs -o size=1m none " + folder], capture_output=True, text=True)
        except FileNotFoundError: raise Skipped("there is no unshare (util-linux)")
        if tried.returncode == 0: break
    else: raise Skipped("a mount namespace is not permitted here: %s" % (tried.stderr.strip() or "unshare failed"))
    inside = subprocess.run(
        [*prefix, sys.executable, os.path.abspath(__file__), "--weir", weir, "--mounted", folder], stdout=subprocess.PIPE, text=True)
    text = inside.stdout.strip()
    expect(inside.returncode == 0, text or "ended with status %d" % inside.returncode)
    return text


class Disk:
    """A small file system in memory, which can be filled and made read-only."""

    def __init__(self, path):
        self.path = path
        os.mkdir(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", path], check=True)

    def fill(self):
        with open(self.path + "/filler", "wb", buffering=0) as f:
            for size in (1 << 20, 4096):
                try:
                    while True: f.write(bytes(size))
                except OSError as e: expect(e.errno == errno.ENOSPC, str(e))

    def free(self): os.remove(self.path + "/filler")

    def remount(self, mode):
        # While a file is open for writing, it cannot be made read-only.
        for _ in range(100):
            found = subprocess.run(["mount", "-o", "remount," + mode, self.path], capture_output=True, text=True)
            if found.returncode == 0: return True
            if mode == "rw": break
            time.sleep(0.01)
        raise AssertionError(found.stderr)

    def writable(self): self.remount("rw")
    def read_only(self): self.remount("ro")


def mounted(weir, folder):
    report = []
    network = ["--hidden", "200,200", "--trained-folds", "1", "--checkpoint-every", "20"]
    for strategy in ("single", "sync"):
        cluster = Cluster(weir) if strategy == "sync" else None
        try:
            for fault, reason in (("full", "No space left on device"), ("read-only", "Read-only file system")):
                disk = Disk("%s/%s-%s" % (folder, strategy, fault))
                harm, mend = (disk.fill, disk.free) if fault == "full" else (disk.read_only, disk.writable)
                place = disk.path + "/run"
                os.mkdir(place)
                arguments = [*network, "--strategy", strategy, "--out", folder + "/out", "--steps", "600"]
                training = Training(weir, cluster, place, *arguments, recover=60 if cluster else None)
                last, failed, after = None, None, None
                for event in training.all():
                    if event["event"] == "saved":
                        if failed: after = event["path"]
                        elif not last and event["step"] >= 100:
                            last = event["path"]
                            harm()
                        elif last: last = event["path"]  # It was being written already.
                    elif event["event"] == "notice" and "CHECKPOINT NOT SAVED" in event["text"] and not failed:
                        failed = event["text"]
                        # What was saved last can be read while the disk is as it is.
                        expect(is_readable(weir, last), last)
                        mend()
                status, error = training.end()
                expect(status == 0, "%s, %s: exit status %d: %s" % (strategy, fault, status, error))
                step = int(last.rsplit("-", 1)[1])
                wanted = r"CHECKPOINT NOT SAVED: %s/(fold-1/)?model-\d+: .*%s.*; training goes on, the next try is after update \d+" % (place, reason)
                expect(failed and re.fullmatch(wanted, failed, re.DOTALL), "%s" % failed)
                expect(after and is_readable(weir, after), "no checkpoint was written after there was room again: %s" % training.notices())
                expect(int(after.rsplit("-", 1)[1]) > step, "%s after %s" % (after, last))
                leftovers = [n for _, _, names in os.walk(disk.path) for n in names if "temp" in n]
                expect(not leftovers, "left over: %s" % leftovers)

                # Harmed to the end: training ends, shows its results, and fails; when mended it goes on from the last good one.
                place = disk.path + "/end"
                os.mkdir(place)
                arguments[-1] = "300"
                training = Training(weir, cluster, place, *arguments, recover=60 if cluster else None)
                last = None
                for event in training.all():
                    if event["event"] == "saved":
                        if not last: harm()
                        last = event["path"]
                status, error = training.end()
                expect(status == 1 and "was not saved" in error and reason in error and place in error, "exit status %d: %s" % (status, error))
                expect(any(e["event"] == "done" for e in training.events), "no results were shown")
                expect(is_readable(weir, last), last)
                mend()
                training = Training(weir, cluster, place, *arguments, "--resume", recover=60 if cluster else None)
                first = next(training.steps())["step"]
                status, error = training.end()
                expect(
                    status == 0 and first > int(last.rsplit("-", 1)[1]),
                    "--resume from %s: exit status %d, step %d: %s" % (last, status, first, error))
                report.append("%s %s" % (strategy, fault))
        finally:
            if cluster: cluster.__exit__()
    return ", ".join(report) + ": training goes on, keeps its last checkpoint, writes the next when it can, and fails if the last cannot be written"


def is_readable(weir, path):
    """Whether a checkpoint can be read with all its values."""
    same = subprocess.run([weir, "checkpoint", "diff", path, path], capture_output=True, text=True)
    return same.returncode == 0 and "tensors are equal" in same.stdout


def main():
    cases = {"counts": counts, "async": asynchronous, "bits": bits, "stopped": stopped, "client": client, "disk": disk, "mounts": mounts}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", default=".build/release/weir")
    parser.add_argument("--only", choices=cases, action="append")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stop-seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--mounted", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mounted:
        try: print(mounted(options.weir, options.mounted))
        except (AssertionError, OSError, queue.Empty, subprocess.SubprocessError) as problem:
            print(problem or type(problem).__name__)
            sys.exit(1)
        return
    print("seed", options.seed, flush=True)
    failed = False
    for name in options.only or cases:
        folder, begin = tempfile.mkdtemp(prefix="weir-recovery-"), time.time()
        try:
            text = "ok     %s" % cases[name](os.path.abspath(options.weir), folder, options)
            shutil.rmtree(folder)
        except Skipped as reason:
            text = "SKIPPED: %s" % reason
            shutil.rmtree(folder)
        except (AssertionError, queue.Empty, subprocess.SubprocessError, ValueError) as problem:
            text, failed = "FAILED %s (files: %s)" % (problem or type(problem).__name__, folder), True
        print("%-8s %6.1f s  %s" % (name, time.time() - begin, text), flush=True)
    sys.exit(failed)


if __name__ == "__main__": main()
