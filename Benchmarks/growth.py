#!/usr/bin/env python3
"""Measures how Weir's costs grow, with `weir bench-growth`: prints a table, writes JSON and one picture.

The exponent between two points of a series is log(t2 / t1) / log(n2 / n1): 0 where a cost is fixed, 1 where it grows
as fast as the size. The largest one is reported, of pairs whose later time is at least twice the series' least: below
that a cost is mostly what every step pays.
Exit status 1: a measurement failed; or a series of what is paid every step has an exponent above 1.3 between its last
two points; or a process has more than 5 % + 4 MB more memory resident after its last step than after a tenth of them.
Series of what is paid once a graph or a cluster are only marked when they are that steep.
"""
import argparse, datetime, json, math, os, platform, re, signal, subprocess, sys, threading
from html import escape
from pathlib import Path

sys.dont_write_bytecode = True  # run.py is a script beside this one, not a package that is there to stay
from run import ROOT, Failed, quantity, say, write

STEEP = 1.3
LIMIT = 3600  # seconds for one kind of work; a million steps take minutes
COLORS = ["#1f6feb", "#bc4c00", "#1a7f37", "#8250df", "#9aa0a6"]
# By kind of work: the panel's title, the label of its sizes, and its series as (key, label, paid every step). A line
# that has a kind belongs to series of that kind alone.
WORK = {
    "nodes": ("A graph of n nodes on two devices", "nodes", [
        ("warm_us", "step", True), ("first_us", "first step", False), ("plan_us", "prune, cut, compile", False),
        ("place_us", "place", False), ("build_us", "build", False)]),
    "workers": ("A cluster of n workers on one machine", "workers", [
        ("warm_us", "step", True), ("first_us", "session and first step", False), ("start_us", "start", False)]),
    "sizes": ("A variable read from a parameter server", "bytes", [("p50_us", "step", True)]),
    "clients": ("Clients at once on one server", "clients", [("p50_us", "step", True)]),
    "steps": ("Resident memory after n steps", "steps", [("rss_kb", "memory", True)]),
}
KINDS = {"sessions": "sessions of one connection", "clients": "a connection each", "in process": "training in process",
         "client": "client", "/job:worker/task:0": "its worker", "/job:ps/task:0": "its parameter server"}


def measure(what, options):
    """The lines of `weir bench-growth`, told as they come. It ends with this script, and its servers end with it: they
    watch for its end."""
    command = [str(options.weir), "bench-growth", what, "--seconds", str(options.seconds),
               "--steps", str(options.steps)]
    if options.largest is not None:
        command += ["--largest", str(options.largest)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(LIMIT, process.kill)
    timer.start()
    lines = []
    try:
        for text in process.stdout:
            say(f"  {text.rstrip()}")
            lines.append(json.loads(text))
        if process.wait():
            raise Failed(f"exit status {process.returncode}")
    except ValueError as error:
        raise Failed(f"unreadable output: {error}")
    finally:
        timer.cancel()
        process.kill()  # does nothing to one that has ended
        process.wait()
    if not lines:
        raise Failed("no output")
    return lines


def exponent(first, second):
    return math.log(second[1] / first[1]) / math.log(second[0] / first[0])


def make_series(what, lines):
    """The series of one kind of work, each with its points, its exponents and what is wrong with it."""
    result = []
    kinds = list(dict.fromkeys(line.get("kind") for line in lines))
    for key, label, each_step in WORK[what][2]:
        for kind in kinds:
            points = [(line["n"], line[key]) for line in lines if line.get("kind") == kind]
            least = min(value for _, value in points)
            pairs = list(zip(points, points[1:]))
            steepest = max((exponent(*pair) for pair in pairs if pair[1][1] >= 2 * least), default=None)
            last = exponent(*pairs[-1]) if pairs else None
            series = {"what": what, "key": key, "label": KINDS.get(kind, kind) if kind else label, "points": points,
                      "each_step": each_step, "steepest": steepest, "last": last, "failure": None}
            if what == "steps":
                series["failure"] = memory_failure(points)
            elif last is not None and last > STEEP:
                series["failure"] = f"grows faster than its size: exponent {last:.2f} between the last two points"
            result.append(series)
    return result


def memory_failure(points):
    count, final = points[-1]
    tenth, before = next(point for point in points if point[0] * 10 >= count)
    if final > before * 1.05 + 4096:
        return f"{before / 1024:.1f} MB after {tenth:,} steps, {final / 1024:.1f} MB after {count:,}"


def short(number, base):
    """A size in a few letters: 64, 10k, 4M; in powers of 1024 when that is the base."""
    power = 0
    while number >= base and power < 3:
        number, power = number / base, power + 1
    return f"{number:g}" + ("", "k" if base == 1000 else "K", "M", "G")[power]


def base_of(what):
    return 1024 if what == "sizes" else 1000


def amount(what, value):
    if what == "steps":
        return f"{value / 1024:.1f} MB"
    return quantity(value, "us") if value < 1e6 else quantity(value / 1e6, "s")


def print_table(all_series, lines):
    for what in dict.fromkeys(series["what"] for series in all_series):
        group = [series for series in all_series if series["what"] == what]
        sizes = sorted({size for series in group for size, _ in series["points"]})
        rows = [[what, *[short(size, base_of(what)) for size in sizes], "steepest", "last", ""]]
        for series in group:
            values = dict(series["points"])
            exponents = ["-" if value is None else f"{value:.2f}" for value in (series["steepest"], series["last"])]
            verdict = "" if not series["failure"] else "FAIL" if series["each_step"] else "steep"
            rows.append([series["label"], *[amount(what, values[size]) if size in values else "-" for size in sizes],
                         *exponents, verdict])
        for key, label in (("mb_per_s", "MB/s"), ("steps_per_s", "steps/s")):
            for kind in dict.fromkeys(line.get("kind") for line in lines[what] if key in line):
                rates = [f"{line[key]:,.0f}" for line in lines[what] if line.get("kind") == kind]
                rows.append([f"{KINDS[kind]}, {label}" if kind else label, *rates, "", "", ""])
        widths = [max(map(len, column)) for column in zip(*rows)]
        for first, *others in rows:
            print("  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]).rstrip())
        print()


def ticks(low, high):
    """Round values of a logarithmic axis: powers of ten, and 2 and 5 times them where there are few."""
    factors = [1] if math.log10(high / low) >= 2 else [1, 2, 5]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [factor * 10.0 ** power for power in powers for factor in factors if low <= factor * 10.0 ** power <= high]


def time_label(microseconds):
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= size:
            return f"{microseconds / size:g} {unit}"
    return f"{microseconds:g} µs"


class Panel:
    """One pair of logarithmic axes with the series of one kind of work."""

    def __init__(self, what, series, x, y, width, height):
        self.title, self.unit, _ = WORK[what]
        self.what, self.series, self.parts = what, series, []
        self.x, self.y, self.width, self.height = x, y, width, height
        self.sizes = sorted({size for one in series for size, _ in one["points"]})
        scale = 1 / 1024 if what == "steps" else 1  # kilobytes as megabytes
        self.lines = [[(size, value * scale) for size, value in one["points"]] for one in series]
        values = [value for line in self.lines for _, value in line]
        room = 3 if what == "steps" else 1.5  # what is flat is not to look as if it filled its axis
        self.low, self.high = min(values) / room, max(values) * room

    def text(self, x, y, content, style=""):  # outlined in white, so that it stays legible over lines
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="#1f2328" stroke="#fff" stroke-width="2" '
                          f'paint-order="stroke" {style}>{escape(content)}</text>')

    def across(self, size):
        low, high = self.sizes[0], self.sizes[-1]
        share = math.log(size / low) / math.log(high / low) if high > low else 0.5
        return self.x + share * self.width

    def up(self, value):
        return self.y + self.height * (1 - math.log(value / self.low) / math.log(self.high / self.low))

    def axes(self):
        bottom, end = self.y + self.height, None
        self.text(self.x - 46, self.y - 12, self.title, 'font-weight="bold"')
        for value in ticks(self.low, self.high):
            self.parts.append(f'<path d="M{self.x} {self.up(value):.1f}h{self.width}" stroke="#d1d9e0"/>')
            label = f"{value:g} MB" if self.what == "steps" else time_label(value)
            self.text(self.x - 8, self.up(value) + 4, label, 'text-anchor="end"')
        for size in reversed(self.sizes):  # from the largest, which is always labelled: others where there is room
            self.parts.append(f'<path d="M{self.across(size):.1f} {bottom}v4" stroke="#1f2328"/>')
            if end is None or end - self.across(size) >= 34:
                end = self.across(size)
                self.text(end, bottom + 18, short(size, base_of(self.what)), 'text-anchor="middle"')
        self.parts.append(f'<path d="M{self.x} {self.y}V{bottom}H{self.x + self.width}" stroke="#1f2328" fill="none"/>')
        self.text(self.x + self.width / 2, bottom + 36, self.unit, 'text-anchor="middle"')

    def reference(self):
        """What grows as fast as its size, through the dearest point at the largest size."""
        size, value = self.sizes[-1], max(line[-1][1] for line in self.lines)
        first = max(self.sizes[0], size * self.low / value)
        self.parts.append(f'<path d="M{self.across(first):.1f} {self.up(value * first / size):.1f}'
                          f'L{self.across(size):.1f} {self.up(value):.1f}" stroke="#1f2328" stroke-width="1" '
                          f'stroke-dasharray="4 4"/>')

    def draw(self):
        self.axes()
        if self.what != "steps" and len(self.sizes) > 1:
            self.reference()
        for line, color in zip(self.lines, COLORS):
            path = "L".join(f"{self.across(size):.1f} {self.up(value):.1f}" for size, value in line)
            self.parts.append(f'<path d="M{path}" stroke="{color}" stroke-width="2" fill="none"/>')
            self.parts += [f'<circle cx="{self.across(size):.1f}" cy="{self.up(value):.1f}" r="2.5" fill="{color}"/>'
                           for size, value in line]
        return self.parts

    def legend(self, x, y):
        """Three to a column, in the order of the lines' right ends."""
        order = sorted(zip(self.series, self.lines, COLORS), key=lambda entry: -entry[1][-1][1])
        for index, (series, _, color) in enumerate(order):
            left, line = x + 165 * (index // 3), y + 18 * (index % 3)
            self.parts.append(f'<rect x="{left}" y="{line - 10}" width="12" height="12" rx="2" fill="{color}"/>')
            self.text(left + 18, line, series["label"])


def picture(all_series, machine):
    """All kinds of work as an SVG, two panels a row."""
    kinds = list(dict.fromkeys(series["what"] for series in all_series))
    width, top, cell = 860, 92, 340
    height = top + cell * math.ceil(len(kinds) / 2)
    parts = [f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>']
    for index, what in enumerate(kinds):
        x, y = 76 + 428 * (index % 2), top + cell * (index // 2)
        panel = Panel(what, [series for series in all_series if series["what"] == what], x, y, 330, 190)
        panel.draw()
        panel.legend(x, y + 252)
        parts += panel.parts
    head = [("How cost grows", 30, 'font-size="18" font-weight="bold"'),
            (f"{machine['model']}, {machine['cores']} cores; medians; logarithmic axes; dashed: in proportion", 50, "")]
    parts += [f'<text x="20" y="{y}" fill="#1f2328" {style}>{escape(content)}</text>' for content, y, style in head]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-size="12.5" '
            f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif" role="img">\n'
            "<title>How Weir's costs grow with nodes, workers, bytes, clients and steps</title>\n"
            + "\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weir", type=Path, default=ROOT / ".build/release/weir", help="default: .build/release/weir")
    parser.add_argument("--only", default=",".join(WORK), metavar="WHAT,...", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each size")
    parser.add_argument("--steps", type=int, default=1_000_000, help="of training in process; a tenth through servers")
    parser.add_argument("--largest", type=int, help="leave out larger sizes, of each kind of work")
    parser.add_argument("--json", type=Path, default=ROOT / "Benchmarks/results/growth.json")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs/growth.svg")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(WORK):
        parser.error(f"no such work: {', '.join(sorted(unknown))}; expected some of {', '.join(WORK)}")
    options.weir = options.weir.resolve()
    if not os.access(options.weir, os.X_OK):
        parser.error(f"{options.weir}: no such program; run `make build`")

    models = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())  # one for each core
    machine = {"model": models[0] if models else platform.machine(), "cores": len(models) or os.cpu_count(),
               "load": os.getloadavg()[0]}
    if machine["load"] > 0.5:
        say(f"this machine is busy (load {machine['load']:.1f}): do not quote the times of this run")
    lines, all_series, failures = {}, [], []
    for what in [what for what in WORK if what in options.only]:
        say(what)
        try:
            lines[what] = measure(what, options)
            all_series += make_series(what, lines[what])
        except Failed as error:
            say(f"  FAIL {error}")
            failures.append(f"{what}: {error}")

    print_table(all_series, lines)
    failures += [f"{series['what']}, {series['label']}: {series['failure']}" for series in all_series
                 if series["failure"] and series["each_step"]]
    for failure in failures:
        print(f"FAIL {failure}")
    write(options.json, json.dumps({
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine,
        "seconds": options.seconds, "lines": lines, "series": all_series, "failures": failures}, indent=1) + "\n")
    if all_series:
        write(options.svg, picture(all_series, machine))
    return 1 if failures else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: the measurement with it
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("interrupted; nothing written")
        sys.exit(130)
