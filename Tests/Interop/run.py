#!/usr/bin/env python3
"""Runs the cases of this folder: TensorFlow's client against clusters of Weir's servers, and mixed clusters.

Prints a line for each case, then the total; exit status 1 if one failed. Each case runs in its own process, which is
killed when it takes too long. `--servers tensorflow` runs the same cases against TensorFlow's servers, to check the cases
themselves.
"""
import argparse, importlib, json, os, select, shutil, signal, sys, tempfile, time
from pathlib import Path

import servers

HERE = Path(__file__).resolve().parent
TOPICS = [path.stem for path in sorted((HERE / "topics").glob("*.py"))]


class Running:
    """A case in its process, and the pipe for its result."""

    def __init__(self, case, options, folder):
        self.case, self.folder, self.started = case, folder, time.monotonic()
        self.result, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.result)
            os.setsid()
            servers.end_with_parent()
            be_case(case, options, folder, writer)
        os.close(writer)

    @property
    def deadline(self):
        return self.started + self.case.options["seconds"]

    def end(self):
        """Ends the case's process and everything that it started; returns the case's result."""
        said = b""
        if time.monotonic() < self.deadline:
            while part := os.read(self.result, 1 << 16):
                said += part
        os.close(self.result)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        _, status = os.waitpid(self.pid, 0)
        if said:
            return json.loads(said)
        if time.monotonic() >= self.deadline:
            return f"expected an end within {self.case.options['seconds']} s, found it still running"
        return f"its process ended with status {status}: see {self.folder}/case.log"


def be_case(case, options, folder, writer):
    from cases import CaseFailed, first_lines
    import tensorflow.compat.v1 as tf
    import traceback
    os.makedirs(folder)
    log = os.open(os.path.join(folder, "case.log"), os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        tensorflow = servers.TensorFlowServers()
        case.run(str(options.weir), folder, options.servers, tensorflow)
        said = None
    except CaseFailed as failure:
        said = str(failure)
    except tf.errors.OpError as error:
        traceback.print_exc()
        said = f"expected no error, found {type(error).__name__}: {first_lines(error)}"
    except BaseException as error:
        traceback.print_exc()
        said = f"expected no error, found {type(error).__name__}: {error}"
    os.write(writer, json.dumps(said).encode())
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weir", type=Path, default=HERE.parent.parent / ".build/release/weir")
    parser.add_argument("--servers", choices=["weir", "tensorflow"], default="weir")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="cases whose name contains this")
    parser.add_argument("--repeat", type=int, default=1, metavar="N")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="cases at a time")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    options = parser.parse_args()
    options.weir = options.weir.resolve()
    if not options.list and not os.access(options.weir, os.X_OK):
        parser.error(f"{options.weir}: no such program; run `make build`")

    sys.path[:0] = [str(HERE), str(HERE / "topics")]
    from cases import CASES
    for topic in TOPICS:
        importlib.import_module(topic)
    chosen = [case for case in CASES if case.is_for(options.servers)
              and (not options.only or any(word in case.full_name for word in options.only))]
    if options.list:
        print("\n".join(case.full_name for case in chosen))
        return 0

    logs = tempfile.mkdtemp(prefix="weir-interop-")
    waiting = [case for _ in range(options.repeat) for case in chosen]
    running, passed, failed = [], 0, []
    number = 0
    while waiting or running:
        while waiting and len(running) < options.jobs:
            number += 1
            running.append(Running(waiting.pop(0), options, os.path.join(logs, str(number))))
        soonest = min(one.deadline for one in running)
        ready, _, _ = select.select([one.result for one in running], [], [], max(0, soonest - time.monotonic()))
        for one in [one for one in running if one.result in ready or time.monotonic() >= one.deadline]:
            running.remove(one)
            reason, seconds = one.end(), time.monotonic() - one.started
            if reason is None:
                passed += 1
                shutil.rmtree(one.folder)
                print(f"ok      {one.case.full_name} ({seconds:.1f} s)", flush=True)
            else:
                failed.append(one.case.full_name)
                print(f"FAILED  {one.case.full_name} ({seconds:.1f} s): {reason}", flush=True)
    if failed:
        print(f"logs: {logs}, a folder for each case that failed, in the order they were started")
    else:
        shutil.rmtree(logs)
    print(f"{passed} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
