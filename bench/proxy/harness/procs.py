"""Starts processes, accounts for what they use, and stops what it started."""

import http.client
import os
import signal
import socket
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
READY_WITHIN_SECONDS = 30
STOP_WITHIN_SECONDS = 15


class Failed(Exception):
    """Something the benchmark cannot go on without; the message says what."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(argv, directory, stdout_name="stdout.log"):
    """Both outputs go to files; appended, so that a file emptied meanwhile stays dense."""
    with open(directory / stdout_name, "ab") as out, open(directory / "stderr.log", "ab") as err:
        return subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err)


def stop(process):
    """SIGTERM, and SIGKILL to it and its children when that does not help in time."""
    if process.poll() is not None:
        return
    family = tree(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"  process {process.args[0]} ignored SIGTERM for {STOP_WITHIN_SECONDS} s: killed")
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()


def tree(pid):
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            threads = os.listdir(f"/proc/{parent}/task")
            for thread in threads:
                with open(f"/proc/{parent}/task/{thread}/children") as children:
                    found.extend(int(child) for child in children.read().split())
        except OSError:
            continue
    return found


def cpu_seconds(pids):
    """User and system time of all threads, those that ended included."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def resident_mb(pids):
    """VmRSS of a single process; of several the sum of their proportional shares, or shared pages would count twice."""
    file, key = ("status", "VmRSS:") if len(pids) == 1 else ("smaps_rollup", "Pss:")
    kilobytes = 0
    for pid in pids:
        with open(f"/proc/{pid}/{file}") as lines:
            kilobytes += next(int(line.split()[1]) for line in lines if line.startswith(key))
    return kilobytes / 1024


def answers(port, path, headers):
    """Whether a GET is answered with a 2xx."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path, headers=headers)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_ready(process, name, port, path, headers, since, directory):
    """Seconds from `since` to the first 2xx; what the process said last is in the failure."""
    while time.monotonic() - since < READY_WITHIN_SECONDS:
        if answers(port, path, headers):
            return time.monotonic() - since
        if process.poll() is not None:
            said = (directory / "stderr.log").read_text(errors="replace").strip()[-500:] or "it said nothing"
            raise Failed(f"{name} ended with exit code {process.returncode} before it was ready: {said}")
        time.sleep(0.001)
    raise Failed(f"{name} did not answer on port {port} within {READY_WITHIN_SECONDS} s")


def speaks_http2(port):
    """Whether the port answers the HTTP/2 preface in clear text with a SETTINGS frame."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as stream:
            stream.sendall(preface)
            return stream.recv(9)[3:4] == b"\x04"
    except OSError:
        return False
