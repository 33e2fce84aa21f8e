"""The proxies under comparison: how each is started, where it logs, when it is ready."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness import procs
from harness.load import GET_PATH, HEADER

PEERS = Path(__file__).parent.parent / "peers"
BARE_SWITCHES = {
    "bare": [],
    "bare_h2": ["--protocol", "http2"],
    "bare_rewrite": ["--rewrite", "on"],
    "bare_reuseport": ["--accept", "reuseport"],
    "bare_multi": ["--accept", "multi"],
    "bare_inline": ["--client", "inline"],
    "bare_inline_rewrite": ["--client", "inline", "--rewrite", "on"],
}
DEFAULT = ["direct", "bare", "bare_h2", "nginx", "haproxy", "envoy", "vigie_same_work", "vigie_everything"]
ALL = [*DEFAULT, *(name for name in BARE_SWITCHES if name not in DEFAULT)]


class Log:
    """Counts the lines a proxy wrote to its log, across rotation; empties files whose writer appends."""

    def __init__(self, directory=None, pattern=None, empty=False):
        self.directory, self.pattern, self.empty = directory, pattern, empty
        self.counted = {}

    def new_lines(self):
        """Lines since the last call; None without a log."""
        if self.directory is None:
            return None
        return sum(self.new_lines_of(file) for file in self.directory.glob(self.pattern))

    def new_lines_of(self, file):
        inode = file.stat().st_ino
        lines = 0
        with open(file, "rb") as log:
            log.seek(self.counted.get(inode, 0))
            while chunk := log.read(1 << 20):
                lines += chunk.count(b"\n")
            self.counted[inode] = log.tell()
        if self.empty:
            with open(file, "r+b") as log:
                log.truncate(0)
            self.counted[inode] = 0
        return lines


@dataclass
class Target:
    name: str
    work: Path
    programs: dict
    origin: int
    collector: int | None = None
    process: object = None
    log: Log = field(default_factory=Log)
    ready_seconds: list = field(default_factory=list)
    rest_mb: list = field(default_factory=list)
    http2: bool = False

    def restart(self):
        """Starts it afresh, with an empty directory; notes the time to the first answer and the memory at rest."""
        self.stop()
        self.directory = self.work / self.name
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.port, self.h2_port, self.admin = (procs.free_port() for _ in range(3))
        argv, stdout_name = self.command()
        since = time.monotonic()
        self.process = procs.start(argv, self.directory, stdout_name)
        ready = (self.admin, "/ready") if self.is_vigie else (self.port, GET_PATH)
        headers = {} if self.is_vigie else dict([HEADER])
        if not self.name.endswith("_h2"):
            self.ready_seconds.append(procs.wait_ready(self.process, self.name, *ready, headers, since, self.directory))
            time.sleep(0.5)  # memory at rest, not in the middle of starting
            self.rest_mb.append(procs.resident_mb(procs.tree(self.process.pid)))
        self.http2 = (
            self.name not in BARE_SWITCHES and procs.speaks_http2(self.port_for_http2) or self.name == "bare_h2"
        )

    def stop(self):
        if self.process is not None:
            procs.stop(self.process)
            self.process = None

    def serves(self, load):
        if load.http2:
            return self.http2 and self.name != "direct"
        if self.name == "bare_h2":
            return False
        # Straight to the API: what one connection takes without a proxy.
        return self.name != "direct" or load.connections == 1

    def port_for(self, load):
        return self.port_for_http2 if load.http2 else self.port

    @property
    def is_vigie(self):
        return self.name.startswith("vigie")

    @property
    def port_for_http2(self):
        return self.port if self.name == "direct" or self.name in BARE_SWITCHES else self.h2_port

    def command(self):
        if self.name == "direct":
            return [self.programs["bench_origin"], "--listen", f"127.0.0.1:{self.port}"], "stdout.log"
        if self.name in BARE_SWITCHES:
            return [
                self.programs["bench_bare"],
                "--listen",
                f"127.0.0.1:{self.port}",
                "--origin",
                f"127.0.0.1:{self.origin}",
                *BARE_SWITCHES[self.name],
            ], "stdout.log"
        if self.name == "nginx":
            self.log = Log(self.directory, "access.log", empty=True)
            return [
                self.programs["nginx"],
                "-e",
                self.directory / "error.log",
                "-c",
                self.configure("nginx.conf"),
            ], "stdout.log"
        if self.name == "haproxy":
            self.log = Log(self.directory, "access.log", empty=True)
            return [self.programs["haproxy"], "-db", "-f", self.configure("haproxy.cfg")], "access.log"
        if self.name == "envoy":
            self.log = Log(self.directory, "access.log", empty=True)
            return [
                self.programs["envoy"],
                "-c",
                self.configure("envoy.yaml"),
                "--concurrency",
                "2",
                "--log-level",
                "warn",
                "--use-dynamic-base-id",
            ], "stdout.log"
        self.log = Log(self.directory, "exchanges*")
        return [self.programs["vigie"], "run", "--config", self.configure(f"{self.name}.yaml")], "stdout.log"

    def configure(self, name):
        values = {
            "DIR": self.directory,
            "PORT": self.port,
            "H2_PORT": self.h2_port,
            "ADMIN": self.admin,
            "ORIGIN": self.origin,
            "COLLECTOR": self.collector,
        }
        text = (PEERS / name).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        file = self.directory / name
        file.write_text(text)
        return file


def start_origin(programs, work):
    """The API behind every proxy; returns the process and its port."""
    port = procs.free_port()
    process = procs.start([programs["bench_origin"], "--listen", f"127.0.0.1:{port}"], work)
    procs.wait_ready(process, "the origin", port, GET_PATH, dict([HEADER]), time.monotonic(), work)
    return process, port


def start_collector(programs, work):
    """An OTLP collector that throws away what it receives; returns the process and its gRPC port."""
    grpc, http = procs.free_port(), procs.free_port()
    process = procs.start(
        [
            programs["rotel-agent"],
            "start",
            "--otlp-grpc-endpoint",
            f"127.0.0.1:{grpc}",
            "--otlp-http-endpoint",
            f"127.0.0.1:{http}",
            "--exporter",
            "blackhole",
        ],
        work,
        "collector.log",
    )
    return process, grpc
