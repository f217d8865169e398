"""Reduces a graph while it has the same kind of finding."""
import time

from fuzzing.trial import SMALLER_HANG_SECONDS, Trial


def smaller(options, clusters, seed, first):
    """A trial with fewer statements and steps and the same kind of finding, found within the given time."""
    end = time.monotonic() + options.shrink
    kept = list(range(first.statement_count)) if first.kept is None else first.kept
    steps = list(range(len(first.steps))) if first.kept_steps is None else first.kept_steps

    def still(kept, steps):
        if time.monotonic() > end:
            return False
        trial = Trial(options, clusters, seed, kept, steps)
        try:
            finding = trial.run(SMALLER_HANG_SECONDS)
        except Exception:  # a graph that cannot be built does not count
            return False
        if finding is not None and finding.kind in ("HANG", "SERVER DIED"):
            clusters.drop(trial.cluster_name)
        return finding is not None and finding.group == first.found.group
    if isinstance(first.found.step, int):
        for fewer in (steps[first.found.step:first.found.step + 1], steps[:first.found.step + 1]):
            if still(kept, fewer):
                steps = fewer
                break
    size = max(1, len(kept) // 2)
    while size and time.monotonic() < end:
        at = 0
        while at < len(kept):
            fewer = kept[:at] + kept[at + size:]
            if still(fewer, steps):
                kept = fewer
            else:
                at += size
        size //= 2
    for step in list(steps):
        if len(steps) > 1 and still(kept, [each for each in steps if each != step]):
            steps.remove(step)
    trial = Trial(options, clusters, seed, kept, steps)
    trial.found = None
    for _ in range(3):
        trial.found = trial.found or trial.run(SMALLER_HANG_SECONDS)
    clusters.drop(trial.cluster_name)
    return trial if trial.found is not None else None
