#!/usr/bin/env python3
"""Cuts the cable between two tasks and sees what becomes of steps, with TensorFlow's client.

    python Scripts/check-cut-cable.py [path of weir] [links | grpc]

Three network namespaces: a worker's with the client, a parameter server's, and a router's between them that comes to drop
every packet. A step with a deadline ends by it and one without within a minute, both naming the task that is gone; steps
that do not need it go on as before. Needs root, iproute2 and TensorFlow; without one of them it says so and checks nothing.
"""
import importlib.util, json, os, signal, subprocess, sys, threading, time

WEIR = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".build/release/weir")
TRANSPORT = sys.argv[2] if len(sys.argv) > 2 else "links"
os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["CUDA_VISIBLE_DEVICES"] = "2", ""
TAG = "weir%d" % os.getpid()
CLUSTER = {"ps": ["10.77.1.2:7203", "10.77.2.2:7201"], "worker": ["10.77.1.2:7202"]}


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, stdout=subprocess.DEVNULL)


def inside(space, *command, **options):
    return subprocess.Popen(["ip", "netns", "exec", TAG + space, *command], **options)


def client():
    """Runs in the worker's namespace; asks on its output for the cable to be cut, and goes on when told on its input."""
    import tensorflow.compat.v1 as tf

    tf.disable_v2_behavior()
    with tf.device("/job:ps/task:0"):
        near = tf.get_variable("near", [4], initializer=tf.ones_initializer())
    with tf.device("/job:ps/task:1"):
        far = tf.get_variable("far", [4], initializer=tf.ones_initializer())
    with tf.device("/job:worker/task:0"):
        here, there = tf.reduce_sum(near + 1.0), tf.reduce_sum(near + far)

    def attempt(session, timeout):
        options = tf.RunOptions(timeout_in_ms=timeout) if timeout else None
        start, text = time.time(), "no error"
        try:
            session.run(there, options=options)
        except tf.errors.OpError as error:
            text = "%s: %s" % (type(error).__name__, error.message)
        return time.time() - start, text

    def steps(session, seconds):
        start, count, worst = time.time(), 0, 0.0
        while time.time() - start < seconds:
            before = time.time()
            session.run(here)
            count, worst = count + 1, max(worst, time.time() - before)
        return count / seconds, worst

    with tf.Session("grpc://" + CLUSTER["worker"][0]) as session:
        session.run(tf.global_variables_initializer())
        session.run([here]), session.run(there)
        rate, _ = steps(session, 2)
        print("cut", flush=True)
        sys.stdin.readline()
        results = {}
        waiting = [threading.Thread(target=lambda t=t: results.update({t: attempt(session, t)})) for t in (3000, 0)]
        for thread in waiting:
            thread.start()
        during, worst = steps(session, 2)
        for thread in waiting:
            thread.join(100)
        faults = []
        if during < rate / 3 or worst > 1:
            faults.append("steps that need no cable: %.0f a second before, %.0f after, one of %.1f s" % (rate, during, worst))
        for timeout, limit, kind in ((3000, 3.2, "DeadlineExceededError"), (0, 60, "UnavailableError")):
            took, text = results.get(timeout, (100, "still waiting"))
            if took > limit or not text.startswith(kind) or "/job:ps/replica:0/task:1" not in text:
                faults.append("a step with %s: after %.1f s %s" % ("a deadline" if timeout else "none", took, text))
            print("%s: %.1f s, %s" % ("deadline" if timeout else "none", took, text.splitlines()[0]), flush=True)
        print("; ".join(faults) if faults else "ok", flush=True)
        os._exit(1 if faults else 0)


def main():
    try:
        if not importlib.util.find_spec("tensorflow"):
            raise ImportError("no TensorFlow here")
        ip("netns", "add", TAG + "a")
    except (ImportError, OSError, subprocess.CalledProcessError) as error:
        return print("skipped: %s" % error)
    started = []
    # Ended from outside, it leaves nothing behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        for space in "rb":
            ip("netns", "add", TAG + space)
        for space, net in (("a", "10.77.1"), ("b", "10.77.2")):
            ip("link", "add", "cable", "netns", TAG + space, "type", "veth", "peer", "name", "to-" + space, "netns", TAG + "r")
            ip("-n", TAG + space, "addr", "add", net + ".2/24", "dev", "cable")
            ip("-n", TAG + "r", "addr", "add", net + ".1/24", "dev", "to-" + space)
            for owner, link in ((space, "cable"), (space, "lo"), ("r", "to-" + space)):
                ip("-n", TAG + owner, "link", "set", link, "up")
            ip("-n", TAG + space, "route", "add", "default", "via", net + ".1")
        inside("r", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward").wait()
        for space, job, task in (("b", "ps", 1), ("a", "ps", 0), ("a", "worker", 0)):
            command = [WEIR, "serve", "--cluster", json.dumps(CLUSTER), "--job", job, "--task", str(task), "--protocol", TRANSPORT]
            started.append(inside(space, *command, stdout=subprocess.PIPE, text=True))
            started[-1].stdout.readline()
        user = inside("a", sys.executable, __file__, WEIR, TRANSPORT, "--client", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(user)
        for line in user.stdout:
            print(line, end="", flush=True)
            if line == "cut\n":
                for address in ("10.77.1.2", "10.77.2.2"):
                    ip("-n", TAG + "r", "route", "add", "blackhole", address + "/32")
                user.stdin.write("cut\n")
                user.stdin.flush()
        return user.wait()
    finally:
        for process in started:
            process.kill()
            process.wait()
        for space in "arb":
            subprocess.run(["ip", "netns", "del", TAG + space], stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(client() if "--client" in sys.argv else main())
