"""The loads, and one measurement of one of them against one proxy."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from harness import procs
from harness.procs import Failed

HEADER = ("Authorization", "Token token=benchkey")
GET_PATH = "/crm/sales/api/contacts/70042006456"
POST_PATH = "/crm/sales/api/deals"
HTTP2_STREAMS = 100
QUIET_WITHIN_SECONDS = 10


@dataclass(frozen=True)
class Load:
    method: str
    connections: int
    http2: bool = False

    def __str__(self):
        if self.http2:
            return f"{self.method}, one HTTP/2 connection x {HTTP2_STREAMS} streams"
        return f"{self.method}, {self.connections} connection{'s' if self.connections > 1 else ''}"

    @property
    def path(self):
        return GET_PATH if self.method == "GET" else POST_PATH


@dataclass
class Sample:
    requests: int
    per_second: float
    p50_us: float
    p99_us: float
    failed: int
    cpu_us: float = 0.0
    resident_mb: float = 0.0
    logged: float | None = None


def write_deal(file):
    """A body of 2 KB as an integration would send it."""
    deal = {
        "name": "Renewal 2026",
        "amount": "18250.00",
        "sales_account_id": 70098765432,
        "deal_stage_id": 70000005555,
        "contacts_added_list": [70042006456],
        "expected_close": "2026-06-30",
        "custom_field": {"cf_erp_id": "ERP-D-20418"},
    }
    lines = [
        {"sku": f"SKU-{number:05}", "quantity": number % 7 + 1, "unit_price": f"{number * 3.5:.2f}"}
        for number in range(27)
    ]
    body = json.dumps({"deal": {**deal, "products": lines}}, separators=(",", ":"))
    note = "x" * (2048 - len(body) - len(',"note":""'))
    file.write_text(f'{body[:-1]},"note":"{note}"}}')
    if file.stat().st_size != 2048:
        raise Failed("the POST body is not 2048 bytes long")


class Generator:
    def __init__(self, programs, work, seconds):
        self.programs, self.work, self.seconds = programs, work, seconds
        self.deal = work / "deal.json"
        write_deal(self.deal)

    def argv(self, load, port):
        url = f"http://127.0.0.1:{port}{load.path}"
        header = ": ".join(HEADER)
        body = [self.deal] if load.method == "POST" else []
        if load.http2:
            data = [f"--data={self.deal}", "--header=content-type: application/json"] if body else []
            return [
                self.programs["h2load"],
                "-c1",
                f"-m{HTTP2_STREAMS}",
                f"-D{self.seconds}",
                f"--header={header}",
                f"--log-file={self.work / 'h2load.log'}",
                *data,
                url,
            ]
        return [
            self.programs["wrk"],
            "-t1",
            f"-c{load.connections}",
            f"-d{self.seconds}s",
            "--timeout=10s",
            f"-H{header}",
            f"-s{Path(__file__).parent.parent / 'load.lua'}",
            url,
            "--",
            *body,
        ]

    def run(self, load, target):
        """Runs the load; accounts for what the target used, work it finished after the last answer included."""
        pids = procs.tree(target.process.pid)
        target.log.new_lines()
        before = procs.cpu_seconds(pids)
        (self.work / "h2load.log").unlink(missing_ok=True)
        argv = [str(arg) for arg in self.argv(load, target.port_for(load))]
        generator = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        resident = watch_memory(generator, pids)
        output = generator.communicate()[0]
        if generator.returncode != 0:
            raise Failed(f"{' '.join(argv)} failed: {output}")
        sample = parse_http2(output, self.work / "h2load.log") if load.http2 else parse_wrk(output)
        wait_quiet(pids)
        sample.cpu_us = (procs.cpu_seconds(pids) - before) * 1e6 / max(sample.requests, 1)
        sample.resident_mb = max(resident, procs.resident_mb(pids))
        lines = target.log.new_lines()
        sample.logged = None if lines is None else lines / max(sample.requests, 1)
        return sample


def watch_memory(generator, pids):
    """The highest resident size seen while the generator runs, in MB."""
    highest = 0.0
    while True:
        try:
            generator.wait(0.5)
            return highest
        except subprocess.TimeoutExpired:
            highest = max(highest, procs.resident_mb(pids))


def wait_quiet(pids):
    """Waits until the proxy has finished its batches: at most one tick of CPU in 0.3 s."""
    deadline = time.monotonic() + QUIET_WITHIN_SECONDS
    used = procs.cpu_seconds(pids)
    while time.monotonic() < deadline:
        time.sleep(0.3)
        before, used = used, procs.cpu_seconds(pids)
        if used - before <= 1 / procs.TICKS_PER_SECOND:
            return


def parse_wrk(output):
    line = next((line for line in output.splitlines() if line.startswith('{"requests"')), None)
    if line is None:
        raise Failed(f"wrk printed no result: {output}")
    result = json.loads(line)
    per_second = result["requests"] / result["seconds"]
    return Sample(result["requests"], per_second, result["p50_us"], result["p99_us"], result["failed"])


def parse_http2(output, log):
    counts = re.search(r"requests: (\d+) total, .*, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    codes = re.search(r"status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    rate = re.search(r"finished in [^,]+, ([\d.]+) req/s", output)
    if not (counts and codes and rate):
        raise Failed(f"h2load printed no result: {output}")
    with open(log) as lines:
        micros = sorted(int(line.split("\t")[2]) for line in lines)
    p50, p99 = (percentile(micros, share) for share in (0.5, 0.99))
    failed = sum(int(count) for count in (*counts.groups()[1:], *codes.groups()))
    return Sample(int(counts[1]), float(rate[1]), p50, p99, failed)


def percentile(ordered, share):
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0
