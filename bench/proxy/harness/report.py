"""Turns samples into the tables, the summary lines and the section of bench/README.md."""

import platform
import subprocess
from datetime import datetime, timezone
from statistics import median

from harness.load import Load

BEGIN, END = "<!-- bench-proxy:begin -->", "<!-- bench-proxy:end -->"
REFERENCE = Load("GET", 64)
SET_UPS = {"same_work": "vigie_same_work", "everything": "vigie_everything"}
BAR_MICROS = 2
# A batch that was not flushed yet when the lines were counted is less than this.
LOGGED_AT_LEAST = 0.98
HEADINGS = ["proxy", "requests/s", "p50 µs", "p99 µs", "CPU µs/request", "range", "resident MB", "logged", "failed"]


class Results:
    """All samples of a run, by load and proxy."""

    def __init__(self, targets, rounds, seconds):
        self.targets, self.rounds, self.seconds = targets, rounds, seconds
        self.samples = {}

    def add(self, load, target, sample):
        self.samples.setdefault(load, {}).setdefault(target.name, []).append(sample)

    def middle(self, load, name, key):
        """The median over the rounds; None when this was not measured."""
        samples = self.samples.get(load, {}).get(name)
        return median(getattr(sample, key) for sample in samples) if samples else None

    def cpu(self, name, load=REFERENCE):
        return self.middle(load, name, "cpu_us")

    def failures(self):
        return sum(
            sample.failed for by_name in self.samples.values() for samples in by_name.values() for sample in samples
        )


def table(headings, rows):
    lines = [headings, ["---", *(["---:"] * (len(headings) - 1))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def load_table(results, load):
    rows = []
    for name, samples in sorted(results.samples[load].items(), key=lambda item: results.cpu(item[0], load)):
        cpu = [sample.cpu_us for sample in samples]
        logged = results.middle(load, name, "logged") if samples[0].logged is not None else None
        rows.append(
            [
                name.removesuffix("_h2"),
                *(f"{results.middle(load, name, key):,.0f}" for key in ("per_second", "p50_us", "p99_us")),
                f"{median(cpu):.1f}",
                f"{min(cpu):.1f}–{max(cpu):.1f}",
                f"{results.middle(load, name, 'resident_mb'):.1f}",
                "–" if logged is None else f"{logged:.1%}",
                f"{sum(sample.failed for sample in samples)}",
            ]
        )
    return f"#### {load}\n\n" + table(HEADINGS, rows)


def bars(results):
    """CPU per request as a chart of characters, cheapest first."""
    by_name = {name: results.cpu(name) for name in results.samples.get(REFERENCE, {})}
    lines = [
        f"{name:<20} {cpu:6.1f} {'█' * max(1, round(cpu / BAR_MICROS))}"
        for name, cpu in sorted(by_name.items(), key=lambda item: item[1])
    ]
    return f"CPU µs per request, {REFERENCE} (one block = {BAR_MICROS} µs):\n\n```text\n" + "\n".join(lines) + "\n```"


def summary_lines(results):
    """One line a set-up of Vigie; a proxy that was left out of the run is left out of the line."""
    lines = []
    for set_up, name in SET_UPS.items():
        own = results.cpu(name)
        if own is None:
            continue
        peers = {peer: results.cpu(peer) for peer in ("nginx", "haproxy", "envoy", "bare")}
        parts = [f"cpu_vs_{peer}={own / cpu:.2f}" for peer, cpu in peers.items() if cpu]
        parts += [f"bare_plus_us={own - peers['bare']:.1f}"] if peers["bare"] else []
        lines.append(f"{set_up}: {' '.join(parts)}")
    return "\n".join(lines)


def lost_lines(results):
    """Says which proxies looked cheap by not logging."""
    found = []
    for load, by_name in results.samples.items():
        for name in by_name:
            logged = results.middle(load, name, "logged") if by_name[name][0].logged is not None else 1
            if logged < LOGGED_AT_LEAST:
                found.append(f"{name} logged {logged:.1%} at {load}")
    return f"**Not comparable, lines are missing:** {'; '.join(found)}." if found else ""


def start_table(results):
    rows = []
    for target in results.targets:
        if not target.ready_seconds or target.name == "direct":
            continue
        high = results.middle(Load("GET", 512), target.name, "resident_mb")
        rows.append(
            [
                target.name,
                f"{median(target.ready_seconds) * 1000:.0f}",
                f"{median(target.rest_mb):.1f}",
                f"{high:.1f}" if high else "–",
            ]
        )
    return table(["proxy", "ready after ms", "MB at rest", "MB at 512 connections"], rows)


def added_median(results, name):
    """What the proxy adds to the median of one connection, in µs."""
    through, direct = (results.middle(Load("GET", 1), each, "p50_us") for each in (name, "direct"))
    return through - direct if through and direct else None


def added_table(results):
    rows = [
        [target.name, f"{added_median(results, target.name):.0f}"]
        for target in results.targets
        if target.name != "direct" and added_median(results, target.name) is not None
    ]
    return table(["proxy", "added to the median of one connection, µs"], rows) if rows else ""


def goals(results):
    """Each goal as (figure, measured, bound that must hold, bound to stretch for); empty without Vigie."""
    same, every = SET_UPS["same_work"], SET_UPS["everything"]
    by = {target.name: target for target in results.targets}
    scaled = lambda peer, factor, plus=0: None if results.cpu(peer) is None else results.cpu(peer) * factor + plus
    found = [
        ("CPU, same work, against 1.3 (1.0) nginx, µs", results.cpu(same), scaled("nginx", 1.3), scaled("nginx", 1.0)),
        ("CPU, same work, against 0.45 Envoy, µs", results.cpu(same), scaled("envoy", 0.45), None),
        ("CPU, same work, against bare + 6, µs", results.cpu(same), scaled("bare", 1, 6), None),
        (
            "CPU, everything, against 0.6 (0.5) Envoy, µs",
            results.cpu(every),
            scaled("envoy", 0.6),
            scaled("envoy", 0.5),
        ),
        (
            "added median at 1 connection, against haproxy's (nginx's), µs",
            *(added_median(results, name) for name in (same, "haproxy", "nginx")),
        ),
    ]
    if same in by and by[same].ready_seconds:
        high = results.middle(Load("GET", 512), same, "resident_mb")
        found += [
            ("resident at rest, MB", median(by[same].rest_mb), 20, 16),
            ("resident at 512 connections, MB", high, 40, 32),
            ("ready after start, ms", median(by[same].ready_seconds) * 1000, 150, 50),
        ]
    return [goal for goal in found if goal[1] is not None and goal[2] is not None]


def goals_table(results):
    rows = []
    for figure, measured, must, stretch in goals(results):
        verdict = "missed" if measured > must else "met"
        verdict = "stretch met" if stretch is not None and measured <= stretch else verdict
        rows.append(
            [figure, f"{measured:.1f}", f"{must:.1f}", f"{stretch:.1f}" if stretch is not None else "–", verdict]
        )
    return table(["figure", "measured", "must", "stretch", "verdict"], rows) if rows else ""


def git(root, *arguments):
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True).stdout.strip()


def heading(results, root, cores, versions):
    commit = git(root, "rev-parse", "--short=12", "HEAD") or "unknown"
    # The report itself may be what changed.
    changed = git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/README.md")
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"Commit {commit}{' with uncommitted changes' if changed else ''}, {date}. {cores} cores, {platform.system()} "
        f"{platform.machine()}, shared by the proxy, the load generator and the API. Medians of {results.rounds} "
        f"interleaved round{'s' if results.rounds > 1 else ''} of {results.seconds} s each. {versions}."
    )


def render(results, root, cores, versions):
    parts = [heading(results, root, cores, versions)]
    if lines := summary_lines(results):
        parts.append(f"```text\n{lines}\n```")
    parts += [
        lost_lines(results),
        goals_table(results),
        bars(results) if REFERENCE in results.samples else "",
        start_table(results),
        added_table(results),
    ]
    parts += [load_table(results, load) for load in results.samples]
    return "\n\n".join(part for part in parts if part)


def write(readme, text):
    """Replaces what is between the markers; everything else in the file is written by hand."""
    whole = readme.read_text()
    before, after = whole.index(BEGIN) + len(BEGIN), whole.index(END)
    readme.write_text(f"{whole[:before]}\n\n{text}\n\n{whole[after:]}")
