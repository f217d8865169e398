"""Clusters on loopback of Weir's servers, TensorFlow's, or both.

Every server ends with the process that started it, even if that is killed: Weir's when their standard input ends,
TensorFlow's with the process that forked them.
"""
import contextlib, ctypes, json, os, random, signal, socket, subprocess, time

# For less output and no GPU; must be set before TensorFlow is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("SWIFT_BACKTRACE", "enable=no")



@contextlib.contextmanager
def quietly():
    """Discards standard error, because importing TensorFlow always writes there."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def free_port():
    """A random free port below the system's ephemeral ports, so that neither outgoing connections nor clusters that start
    at the same time are likely to take it before the server does."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class TensorFlowServers:
    """A process that has imported TensorFlow and forks a TensorFlow server for each request.

    Importing TensorFlow for every server would take seconds, and forking is only safe before the first session. So create
    this first, in a process that has imported TensorFlow but not used it."""

    def __init__(self):
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._requests)
            os.close(self._replies)
            try:
                self._serve(os.fdopen(requests), os.fdopen(replies, "w"))
            finally:
                os._exit(0)
        os.close(requests)
        os.close(replies)
        self._requests, self._replies = os.fdopen(self._requests, "w"), os.fdopen(self._replies)

    def start(self, **server):
        """Starts a server and returns its process id."""
        self._requests.write(json.dumps(server) + "\n")
        self._requests.flush()
        return int(self._replies.readline())

    def stop(self):
        self._requests.close()
        os.waitpid(self.pid, 0)

    def _serve(self, requests, replies):
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for line in requests:
            pid = os.fork()
            if pid == 0:
                end_with_parent()
                self._be_server(**json.loads(line))
            replies.write(f"{pid}\n")
            replies.flush()

    @staticmethod
    def _be_server(cluster, job, task, cpus, log):
        import tensorflow.compat.v1 as tf
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        try:
            config = tf.ConfigProto(device_count={"CPU": cpus})
            # Without it, a group of collective ops with members on two servers is never complete.
            config.experimental.collective_group_leader = "/job:worker/replica:0/task:0"
            tf.train.Server(tf.train.ClusterSpec(cluster), job_name=job, task_index=task, config=config).join()
        finally:
            os._exit(1)


class Cluster:
    """A running cluster. `tasks` maps each job to the number of its tasks, or to their kinds: "weir", "tensorflow"."""

    def __init__(self, weir, folder, tasks, cpus=1, arguments=(), kind="weir", tensorflow=None):
        self.weir, self.folder, self.cpus, self.arguments = weir, folder, cpus, list(arguments)
        self.tensorflow = tensorflow
        self.kinds = {job: [kind] * kinds if isinstance(kinds, int) else list(kinds) for job, kinds in tasks.items()}
        self.pids, self._processes = {}, []
        os.makedirs(folder, exist_ok=True)
        for attempt in range(3):
            try:
                self._begin()
                break
            except RuntimeError as error:
                # Another cluster that starts now, or a connection, took the port first.
                if attempt == 2 or "already in use" not in str(error):
                    raise

    def _begin(self):
        self.addresses = {job: [f"127.0.0.1:{free_port()}" for _ in kinds] for job, kinds in self.kinds.items()}
        try:
            for job, kinds in self.kinds.items():
                for task, task_kind in enumerate(kinds):
                    self._start(job, task, task_kind)
            for job, addresses in self.addresses.items():
                for task in range(len(addresses)):
                    self._wait_until_listening(job, task)
        except BaseException:
            self.stop()
            raise

    def log(self, job, task):
        return os.path.join(self.folder, f"{job}-{task}.log")

    def target(self, job="worker", task=0):
        return "grpc://" + self.addresses[job][task]

    def _start(self, job, task, kind):
        if kind == "tensorflow":
            self.pids[job, task] = self.tensorflow.start(
                cluster=self.addresses, job=job, task=task, cpus=self.cpus, log=self.log(job, task))
            return
        with open(self.log(job, task), "ab") as log:
            process = subprocess.Popen(
                [self.weir, "serve", "--cluster", json.dumps(self.addresses), "--job", job, "--task", str(task),
                 "--cpus", str(self.cpus), "--until-input-ends", *self.arguments],
                stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._processes.append(process)
        self.pids[job, task] = process.pid

    def _wait_until_listening(self, job, task, seconds=60):
        host, port = self.addresses[job][task].rsplit(":", 1)
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.is_alive(job, task):
            if self.kinds[job][task] == "weir":
                # A listener is not enough: it may be another cluster's server that took the port first.
                with open(self.log(job, task), errors="replace") as log:
                    if f"serving {self.target(job, task)} " in log.read():
                        return
            else:
                try:
                    socket.create_connection((host, int(port)), 1).close()
                    return
                except OSError:
                    pass
            time.sleep(0.02)
        with open(self.log(job, task), errors="replace") as log:
            raise RuntimeError(f"/job:{job}/task:{task} does not listen at {host}:{port}: {log.read()[-2000:]}")

    def is_alive(self, job, task):
        try:
            with open(f"/proc/{self.pids[job, task]}/stat") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    def dead_tasks(self):
        return [f"/job:{job}/task:{task}" for job, task in self.pids if not self.is_alive(job, task)]

    def kill(self, job, task, signal_number=signal.SIGKILL):
        os.kill(self.pids[job, task], signal_number)

    def terminate(self, job, task, seconds):
        """Asks a Weir server to stop, removes it from the cluster and returns its exit status."""
        pid = self.pids[job, task]
        os.kill(pid, signal.SIGTERM)
        status = next(process for process in self._processes if process.pid == pid).wait(seconds)
        del self.pids[job, task]
        return status

    def stop(self):
        for pid in self.pids.values():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for process in self._processes:
            process.stdin.close()
            process.wait()
        self.pids, self._processes = {}, []
