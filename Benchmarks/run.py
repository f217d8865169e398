#!/usr/bin/env python3
"""Times Weir and its peers on the same graphs, in turn in one run, and prints a table.

Needs a built `weir`. TensorFlow is found, or installed into .build/tensorflow-venv; without it only Weir is timed.
Exit status 1: Weir failed, or its losses are not TensorFlow's to 1e-4 relative.
"""
import argparse, contextlib, datetime, json, math, os, platform, re, signal, statistics, subprocess, sys, tempfile
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "Benchmarks/peers"
VENV = ROOT / ".build/tensorflow-venv"  # that of `make interop`
TENSORFLOW = "2.21.0"
NAMES = {"tensorflow": "TensorFlow", "torch": "PyTorch", "weir": "Weir"}
WORKLOADS = ["iris", "iris_adam", "mnist_mlp", "big_mlp", "lenet", "lstm", "autoenc", "chain", "wide"]
NO_TORCH = ["chain", "wide"]  # graph machinery only: a PyTorch user has nothing to write
# Rows that cluster.py fills, with their units. MB/s is the only unit of which more is better.
SIZES = {0.001: ("1 KB", 1024), 1: ("1 MB", 1 << 20), 16: ("16 MB", 16 << 20), 100: ("100 MB", 100 << 20)}
CLUSTER = {"start": "s", "ps memory": "MB", "null": "us"}
CLUSTER |= {f"{what} {label}": "MB/s" for label, _ in SIZES.values() for what in ("pull", "push")}
CLUSTER["fan 16 MB"] = "MB/s"
# Multiplications and additions of matrix products and convolutions in one step, in 10⁹, without the gradients of the
# networks' inputs, which nobody uses: no step is faster than they are.
GFLOP = {"mnist_mlp": 0.308, "big_mlp": 11.8, "lenet": 4.6, "lstm": 0.505, "autoenc": 0.37}
# How many times faster than TensorFlow Weir means to be.
GOALS = {"iris": 15, "iris_adam": 13.2, "mnist_mlp": 1.9, "big_mlp": 2.0, "lenet": 2.3, "lstm": 5.2, "autoenc": 2.2,
         "chain": 14.2, "wide": 16.3, "null": 2.35}


class Failed(Exception):
    pass


def say(text):
    print(text, file=sys.stderr, flush=True)


def output(*command, limit=600):
    """What a command prints. Whatever ends this script early also ends the command and all it started: each runs in a
    process group of its own, because cluster.py has servers that would outlive it."""
    try:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True,
                                   env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3"))
    except OSError as error:
        raise Failed(str(error))
    finished = False
    try:
        out, errors = process.communicate(timeout=limit)
        finished = process.returncode == 0
    except subprocess.TimeoutExpired:
        raise Failed(f"not finished after {limit} s")
    finally:
        if not finished:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not finished:  # TensorFlow's stderr is noise until something goes wrong; then its last line says what
        raise Failed((errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1])
    return out


def json_lines(*command):
    try:
        lines = [json.loads(line) for line in output(*command).splitlines() if line.startswith("{")]
    except ValueError as error:  # such as a loss that is not a number
        raise Failed(f"unreadable output: {error}")
    if not lines:
        raise Failed("no output")
    return lines


def module_version(python, module):
    try:
        return output(python, "-c", f"import {module}; print({module}.__version__)").split()[-1]
    except Failed:
        return None


def find_tensorflow(given):
    """An interpreter that has TensorFlow, and the version it has; installs it unless an interpreter is given."""
    own = VENV / "bin/python"
    for python in [given] if given else [sys.executable, own]:
        if version := module_version(python, "tensorflow"):
            return python, version
    try:
        if not given:
            say(f"installing tensorflow-cpu {TENSORFLOW} into {VENV.relative_to(ROOT)}; a large download")
            output(sys.executable, "-m", "venv", "--clear", VENV)
            output(own, "-m", "pip", "install", "--quiet", f"tensorflow-cpu=={TENSORFLOW}", limit=1800)
            (VENV / "installed").touch()  # for `make interop`
            return own, module_version(own, "tensorflow")
    except Failed as error:
        say(f"that failed: {error}")
    say("no TensorFlow: Weir is timed alone, and its losses are checked against those recorded with the graphs")
    return None, None


def find_torch(python, installs):
    """The version of PyTorch that the interpreter has; installs it if that is asked for."""
    version = module_version(python, "torch")
    if not version and installs:
        say("installing torch; a very large download")
        try:
            output(python, "-m", "pip", "install", "--quiet", "torch", limit=3600)
            version = module_version(python, "torch")
        except Failed as error:
            say(f"that failed: {error}")
    if not version:
        say("no PyTorch in that interpreter: going on without")
    return version


def measure_bounds():
    """What this machine gives at best, by limits.c: loopback TCP by message size, memory copy, shared memory."""
    say("bounds of this machine")
    try:
        with tempfile.TemporaryDirectory() as folder:
            output("cc", "-O2", "-w", PEERS / "limits.c", "-o", f"{folder}/limits")
            text = output(f"{folder}/limits")
    except Failed as error:
        say(f"  none: {error}")
        return {"tcp": {}}
    bounds = {"tcp": {}}
    try:
        with tempfile.TemporaryDirectory() as folder:
            output("cc", "-O2", PEERS / "gemm.c", "-ldnnl", "-o", f"{folder}/gemm")
            bounds["gflop_per_s"] = float(output(f"{folder}/gemm", os.cpu_count()).split()[-2])
    except Failed as error:
        say(f"  no rate of matrix products: {error}")
    for words in map(str.split, text.splitlines()):
        if words[0] == "tcp":
            p50, p99, rate = float(words[4][:-2]), float(words[6][:-2]), float(words[7])
            bounds["tcp"][int(words[2])] = {"p50_us": p50, "p99_us": p99, "mb_per_s": rate}
        else:
            bounds["memcpy_mb_per_s" if words[0] == "memcpy" else "shm_rtt_us"] = float(words[-2])
    return bounds


def cluster_values(*command):
    """cluster.py's lines as values of the rows of CLUSTER."""
    values = {}
    for line in json_lines(*command):
        if line["what"] == "start":
            values["start"], values["ps memory"] = line["seconds"], line["ps_rss_mb"]
        elif line["what"] == "null":
            values["null"] = line["p50_us"]
        else:  # from the time, because the printed MB/s has one digit at 1 KB
            moved = line["mb"] * (2 if line["what"] == "fan" else 1)
            values[f"{line['what']} {SIZES[line['mb']][0]}"] = moved / (line["p50_ms"] / 1e3)
    return values


class Results:
    def __init__(self):
        self.samples = {}  # by (work, system): one dictionary a round
        self.failures = {}  # by work: what went wrong with Weir there

    def fail(self, work, reason):
        say(f"  FAIL {reason}")
        self.failures.setdefault(work, str(reason))

    def add(self, work, system, measure, *command):
        """Keeps what `measure` returns. A failing Weir fails the run; a failing peer is only missing from it."""
        say(f"  {work}: {NAMES[system]}")
        try:
            sample = measure(*command)
            self.samples.setdefault((work, system), []).append(sample)
            return sample
        except Failed as error:
            self.fail(work, error) if system == "weir" else say(f"  failed: {error}")

    def value(self, work, system, key="p50_us", of=statistics.median):
        values = [sample[key] for sample in self.samples.get((work, system), []) if key in sample]
        return of(values) if values else None


def run_round(number, options, results):
    def one(*command):
        return json_lines(*command)[0]

    for name in [name for name in WORKLOADS if name in options.only]:
        graph = PEERS / f"graphs/{name}.json"
        expected = json.loads(graph.read_text())["losses_of_first_five_steps"]
        weir = results.add(name, "weir", one, options.weir, "bench", "--seconds", options.seconds, graph)
        if options.python:
            peer = results.add(name, "tensorflow", one, options.python, PEERS / "workloads.py", "local", name)
            expected = peer["losses"] if peer else expected
        if options.torch and name not in NO_TORCH:
            results.add(name, "torch", one, options.python, PEERS / "torch_workloads.py", name)
        if weir and not (len(weir["losses"]) == len(expected)  # false for NaN too
                         and all(abs(a - b) <= 1e-4 * abs(b) for a, b in zip(weir["losses"], expected))):
            results.fail(name, f"losses {weir['losses']}, TensorFlow's {expected}")
    if "cluster" in options.only and options.python:
        serve = f"'{options.weir}' serve --cluster {{cluster}} --job {{job}} --task {{task}}"
        turns = [("weir", ["--server-cmd", serve]), ("tensorflow", [])]
        for system, arguments in turns if number % 2 == 0 else turns[::-1]:
            results.add("cluster", system, cluster_values, options.python, PEERS / "cluster.py", *arguments)


def table_rows(options, results, bounds):
    """One row a workload and a measurement of cluster.py. A tensor's bound is copying memory, which two processes that
    copy at the same time can pass."""
    rows, tcp, rate = [], bounds["tcp"], bounds.get("gflop_per_s")
    for name in [name for name in WORKLOADS if name in options.only]:
        bound = GFLOP[name] / rate * 1e6 if rate and name in GFLOP else None
        rows.append({"work": name, "unit": "us", "failure": results.failures.get(name), "bound": bound}
                    | {system: results.value(name, system) for system in NAMES}
                    | {f"{system}_min": results.value(name, system, "min_us", min) for system in NAMES})
    for name, unit in CLUSTER.items() if "cluster" in options.only and options.python else []:
        bound = tcp.get(8, {}).get("p50_us") if name == "null" else None
        if name.endswith((" 16 MB", " 100 MB")):  # below that the step costs more than the tensor
            bound = bounds.get("memcpy_mb_per_s")
        rows.append({"work": name, "unit": unit, "failure": results.failures.get("cluster"), "bound": bound}
                    | {system: results.value("cluster", system, name) for system in ("tensorflow", "weir")})
    for row in rows:
        ours, theirs, goal = row["weir"], row["tensorflow"], GOALS.get(row["work"])
        ratio = None if not (ours and theirs) else ours / theirs if row["unit"] == "MB/s" else theirs / ours
        row |= {"ratio": ratio, "goal": goal, "met": ratio >= goal if ratio and goal else None}
    return rows


def quantity(value, unit):
    if value is None:
        return "-"
    value, unit = (value / 1000, "ms") if unit == "us" and value >= 1000 else (value, unit.replace("us", "µs"))
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"


def print_table(rows, torch):
    systems = [system for system in NAMES if torch or system != "torch"]
    lines = [["work", *[NAMES[system] for system in systems], "ratio", "bound", "goal", ""]]
    for row in rows:
        verdict = "FAIL" if row["failure"] else {True: "met", False: "not met", None: ""}[row["met"]]
        lines.append([row["work"], *[quantity(row.get(system), row["unit"]) for system in systems],
                      f"{row['ratio']:.2f}x" if row["ratio"] else "-", quantity(row.get("bound"), row["unit"]),
                      f"{row['goal']:g}x" if row["goal"] else "-", verdict])
    widths = [max(map(len, column)) for column in zip(*lines)]
    for first, *middle, last in lines:
        print("  ".join([first.ljust(widths[0]), *map(str.rjust, middle, widths[1:]), last]).rstrip())


def picture(rows, machine):
    """The step times as an SVG: a group of bars for each workload, on a logarithmic axis."""
    rows = [row for row in rows if row["unit"] == "us" and row["weir"]]
    bars = {"tensorflow": "#9aa0a6", "torch": "#d9a441", "weir": "#1f6feb"}
    bars = {system: color for system, color in bars.items() if any(row.get(system) for row in rows)}
    values = [row[system] for row in rows for system in bars if row.get(system)]
    low = math.floor(math.log10(min(values) * 0.8))  # room for the shortest bar to be seen
    high = max(low + 1, math.ceil(math.log10(max(values))))
    width, left, right, top, group = 860, 120, 750, 76, 14 + 15 * len(bars)
    bottom = top + group * len(rows)
    parts = [f'<rect width="{width}" height="{bottom + 50}" rx="6" fill="#fff"/>']

    def text(x, y, content, style=""):  # outlined in white, so that it stays legible over grid lines
        parts.append(f'<text x="{x:.1f}" y="{y}" fill="#1f2328" stroke="#fff" stroke-width="2" paint-order="stroke" '
                     f'{style}>{escape(content)}</text>')

    def place(value):
        return left + (math.log10(value) - low) / (high - low) * (right - left)

    text(20, 30, "Time of one step, less is better", 'font-size="18" font-weight="bold"')
    text(20, 50, f"{machine['model']}, {machine['cores']} cores; medians; logarithmic axis; ×: as fast as TensorFlow")
    for power in range(low, high + 1):
        parts.append(f'<path d="M{place(10 ** power):.1f} {top - 6}V{bottom}" stroke="#d1d9e0"/>')
        text(place(10 ** power), bottom + 18, f"{10 ** power:,}", 'text-anchor="middle"')
    text((left + right) / 2, bottom + 38, "µs", 'text-anchor="middle"')
    for index, (system, color) in enumerate(bars.items()):
        legend = width + 10 - 105 * (len(bars) - index)
        parts.append(f'<rect x="{legend}" y="20" width="12" height="12" rx="2" fill="{color}"/>')
        text(legend + 18, 31, NAMES[system])
        for number, row in enumerate(rows):
            y = top + group * number + 15 * index
            if value := row.get(system):
                parts.append(f'<rect x="{left}" y="{y}" width="{place(value) - left:.1f}" height="13" fill="{color}"/>')
                ratio = f", {row['ratio']:.2f}×" if system == "weir" and row["ratio"] else ""
                text(place(value) + 6, y + 11, quantity(value, "us") + ratio)
            if system == "weir":
                label = row["work"].replace("null", "cluster null")
                text(left - 10, y - 15 * index + 7.5 * len(bars) + 3, label, 'text-anchor="end" font-weight="bold"')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 50}" font-size="12.5" '
            f'viewBox="0 0 {width} {bottom + 50}" font-family="Helvetica, Arial, sans-serif" role="img">\n'
            "<title>Time of one step in TensorFlow and in Weir</title>\n" + "\n".join(parts) + "\n</svg>\n")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weir", type=Path, default=ROOT / ".build/release/weir", help="default: .build/release/weir")
    parser.add_argument("--python", help=f"an interpreter that has tensorflow-cpu {TENSORFLOW}")
    parser.add_argument("--torch", action="store_true", help="install PyTorch (3 GB) where it is not; where it is, it is timed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="for Weir, each workload and round; peers take 3")
    everything = ",".join([*WORKLOADS, "cluster"])
    parser.add_argument("--only", default=everything, metavar="NAME,...", help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=ROOT / "Benchmarks/results/latest.json")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs/performance.svg")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(everything.split(",")):
        parser.error(f"no such work: {', '.join(sorted(unknown))}")
    options.weir = options.weir.resolve()
    if not os.access(options.weir, os.X_OK):
        parser.error(f"{options.weir}: no such program; run `make build`")

    options.python, tensorflow = find_tensorflow(options.python)
    torch = find_torch(options.python, options.torch) if options.python else None
    options.torch = torch is not None
    models = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())  # one for each core
    machine = {"model": models[0] if models else platform.machine(), "cores": len(models) or os.cpu_count(),
               "load": os.getloadavg()[0]}
    if machine["load"] > 0.5:  # TensorFlow's pools suffer more from a neighbour, which would flatter Weir
        say(f"this machine is busy (load {machine['load']:.1f}): do not quote the ratios of this run")
    bounds, results = measure_bounds(), Results()
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        run_round(number, options, results)

    rows = table_rows(options, results, bounds)
    print_table(rows, options.torch)
    for work, reason in results.failures.items():
        print(f"FAIL {work}: {reason}")
    write(options.json, json.dumps({
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine,
        "versions": {"tensorflow": tensorflow, "torch": torch, "python": platform.python_version(),
                     "system": f"{platform.system()} {platform.release()}"},
        "rounds": options.rounds, "seconds": options.seconds, "bounds": bounds, "rows": rows,
        "failures": results.failures,
        "samples": [{"work": work, "system": system, "rounds": samples}
                    for (work, system), samples in results.samples.items()]}, indent=1) + "\n")
    if any(row["unit"] == "us" and row["weir"] for row in rows):
        write(options.svg, picture(rows, machine))
    return 1 if results.failures else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: commands and their servers with it
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("interrupted; nothing written")
        sys.exit(130)
