#!/usr/bin/env python3
"""Counts instructions and allocations of the cases in Sources/BenchmarkCases, and compares them with thresholds.json.

They are counted by valgrind's callgrind, and unlike times hardly differ between runs, or between machines of one
architecture. Needs valgrind and a built `count-cases`. Exit status 1: a case costs more than it may, or is not in
thresholds.json; 2: nothing could be counted.
"""
import argparse, collections, concurrent.futures, json, os, platform, re, shutil, signal, subprocess, sys, tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
THRESHOLDS = FOLDER / "thresholds.json"
BINARY = FOLDER.parent / ".build/release/count-cases"
BUILD = "make count"
# What a case may cost more than it did: a share, and always a few. How far an array can grow in its place depends on what
# lies behind it, so that of thousands of allocations a handful come and go.
SLACK = {"instructions": (0.08, 100), "allocations": (0.01, 0.5)}
LIMIT = 300  # seconds for a case
ALLOCATORS = {"malloc", "calloc", "realloc", "reallocarray", "memalign", "aligned_alloc", "posix_memalign"}
OBJECTS = {"swift_allocObject", "_swift_allocObject_"}


running = set()  # processes to be ended with this one


class Failed(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


def read_dump(path):
    """Of one call of `weir_measured` the instructions, the allocations and the objects.

    A function is entered as often as its first instruction runs; that is where calls of it lead to. The numbers on
    `calls=` lines are no use: they also have the calls that were made before counting began. What the C library calls
    in itself, such as `malloc` for `posix_memalign`, is no allocation of its own.
    """
    instructions, library, call = None, "", None
    called_library, called = "", ""
    runs = collections.Counter()  # by library and address
    entries, inside = collections.defaultdict(set), set()
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            kind, _, value = line.rstrip("\n").partition("=")
            if kind == "ob":
                library = called_library = value
            elif kind == "cob":
                called_library = value
            elif kind == "cfn":
                called = value
            elif kind == "calls":
                call = called_library, value.split()[1]
                if called in ALLOCATORS | OBJECTS:
                    entries[called].add(call)
                called_library = library
            elif line.startswith("0x"):
                address, _, cost = line.split()
                if call is None:
                    runs[library, address] += int(cost)
                elif call[0] == library and called in ALLOCATORS:
                    inside.add((library, address))
                call = None  # the line after `calls=` says where the call was made, and what it cost in all
            elif line.startswith("totals:"):
                instructions = int(line.split()[1])
    if instructions is None:
        raise Failed(f"{path} has no total: valgrind was cut short")

    def entered(names):
        return sum(runs[place] for name in names for place in entries[name])

    return instructions, entered(ALLOCATORS) - sum(runs[place] for place in inside), entered(OBJECTS)


def run(command, folder):
    """Standard output of a command, of which nothing is left whatever happens."""
    # The same environment everywhere, without what differs from run to run: the order of hash tables, and when symbols
    # are looked up.
    environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, cwd=folder, start_new_session=True,
                               env=environment | {"SWIFT_DETERMINISTIC_HASHING": "1", "LD_BIND_NOW": "1"})
    running.add(process)
    try:
        output, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise Failed(f"not finished after {LIMIT} s")
    finally:
        if process.returncode is None:
            process.kill()  # valgrind runs the program in its own process, so this ends both
            process.wait()
        running.discard(process)
    if process.returncode:
        said = [text for line in errors.splitlines() if (text := re.sub(r"^==\d+==", "", line).strip())]
        raise Failed(f"{' / '.join(said[-4:]) or 'no message'} (status {process.returncode})")
    return output


def count(binary, case):
    """The cost of one iteration of a case, by callgrind, which writes a file when `weir_measured` returns."""
    name, iterations, parts = case
    say(f"  {name}")
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(binary, f"{folder}/count-cases")  # by one name everywhere: arguments lie in memory too
        try:
            run(["valgrind", "-q", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=weir_measured",
                 "--dump-after=weir_measured", "--dump-instr=yes", "--compress-strings=no", "--compress-pos=no",
                 f"--callgrind-out-file={folder}/out", "./count-cases", name], folder)
            costs = read_dump(f"{folder}/out.1")
        except (Failed, OSError) as error:
            raise Failed(f"{name}: {error}")
    return dict(zip(("instructions", "allocations", "objects"), (cost / iterations for cost in costs)), parts=parts)


def count_all(binary, wanted, jobs):
    """By name what a case costs. Cases run side by side: counts do not mind."""
    if not shutil.which("valgrind"):
        raise Failed("valgrind is not installed: apt-get install valgrind")
    if not os.access(binary, os.X_OK):
        raise Failed(f"{binary}: no such program; run `{BUILD}`")
    cases = [(name, int(iterations), int(parts)) for name, iterations, parts in
             (line.split("\t") for line in run([str(binary)], None).splitlines())]
    if not cases:
        raise Failed(f"{binary} lists no cases")
    if unknown := [want for want in wanted if not any(name.startswith(want) for name, *_ in cases)]:
        raise Failed(f"no case begins with {', '.join(unknown)}")
    cases = [case for case in cases if not wanted or case[0].startswith(tuple(wanted))]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        # Whole steps, which are last, take longest, and so go first.
        futures = {case[0]: pool.submit(count, binary, case) for case in reversed(cases)}
        try:
            return {name: futures[name].result() for name, *_ in cases}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.kill()
            raise


def judge(found, threshold):
    """`worse`, `better`, `new` or nothing, and a sentence for what is worse."""
    if threshold is None:
        return "new", "has no threshold; run count.py --update and commit thresholds.json"
    sentences, better = [], False
    for what, (share, few) in SLACK.items():
        slack = max(threshold[what] * share, few)
        change = found[what] - threshold[what]
        if change > slack + 1e-9:
            sentences.append(f"{what}/iteration: expected at most {number(threshold[what] + slack)} "
                             f"({number(threshold[what])} and {number(slack)} more), found {number(found[what])}")
        better = better or change < -slack - 1e-9
    return ("worse", "; ".join(sentences)) if sentences else ("better" if better else "", "")


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}".rstrip("0").rstrip(".")


def print_table(costs, thresholds, verdicts):
    rows = [["case", "instructions", "of a part", "allocations", "objects", "threshold", "", "change", ""]]
    for name, found in costs.items():
        threshold = thresholds.get(name)
        change = (found["instructions"] / threshold["instructions"] - 1) * 100 if threshold else 0
        rows.append([name, number(found["instructions"]),
                     number(found["instructions"] / found["parts"]) if found["parts"] > 1 else "",
                     number(found["allocations"]), number(found["objects"]),
                     number(threshold["instructions"]) if threshold else "-",
                     number(threshold["allocations"]) if threshold else "-",
                     f"{round(change, 1) + 0.0:+.1f} %" if threshold else "-", verdicts[name][0].upper()])
    widths = [max(map(len, column)) for column in zip(*rows)]
    for first, *middle, last in rows:
        print("  ".join([first.ljust(widths[0]), *map(str.rjust, middle, widths[1:]), last]).rstrip())


def write_thresholds(everything):
    """One line a case, so that a change is a line of a diff."""
    architectures = []
    for architecture, cases in sorted(everything.items()):
        lines = [f"    {json.dumps(name)}: {json.dumps(cost)}" for name, cost in cases.items()]
        architectures.append(f"  {json.dumps(architecture)}: {{\n" + ",\n".join(lines) + "\n  }")
    THRESHOLDS.write_text("{\n" + ",\n".join(architectures) + "\n}\n", encoding="utf-8")
    say(f"wrote {THRESHOLDS}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", type=Path, default=BINARY, help="default: %(default)s")
    parser.add_argument("--only", metavar="NAME,...", help="cases with these names, or whose names begin so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cases at a time; default: %(default)s")
    parser.add_argument("--update", action="store_true", help="write what is found to thresholds.json")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else []

    everything = json.loads(THRESHOLDS.read_text()) if THRESHOLDS.exists() else {}
    architecture = platform.machine()  # valgrind shows every x86 machine with AVX2 as the same one
    thresholds = everything.get(architecture, {})
    costs = count_all(options.binary.resolve(), names, options.jobs)
    verdicts = {name: judge(found, thresholds.get(name)) for name, found in costs.items()}
    print_table(costs, thresholds, verdicts)

    gone = [] if names else [name for name in thresholds if name not in costs]
    if options.update:
        new = {name: {what: round(found[what], 2) for what in ("instructions", "allocations")}
               for name, found in costs.items()}
        write_thresholds(everything | {architecture: (thresholds if names else {}) | new})
        return 0
    failures = [f"{name} {reason}" if verdict == "new" else f"{name}: {reason}"
                for name, (verdict, reason) in verdicts.items() if verdict in ("worse", "new")]
    failures += [f"{name} is in thresholds.json and no longer a case; run count.py --update" for name in gone]
    for failure in failures:
        print(f"FAIL {failure}")
    if any(verdict == "better" for verdict, _ in verdicts.values()):
        print("some cases cost less than before: run count.py --update and commit thresholds.json to keep it so")
    return 1 if failures else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: valgrind with it
    try:
        sys.exit(main())
    except Failed as error:
        say(f"count.py: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
