"""Lints and renders a chart with Helm's own engine, and validates what comes out against Kubernetes' schemas.

    python render.py CHART JOBS.json

JOBS.json is a list of {"name", "values", "kubernetes": "1.34"}. Prints one JSON object: {"lint": […], "jobs": {name:
{"error": text or null, "notes": text, "documents": […], "invalid": [text, …]}}}. Helm has no way to render without a cluster, so an
API server of a few lines, on a free port of 127.0.0.1, stands in for one: it tells a version and takes what it is given.
"""

import asyncio
import http.server
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

import helm_sdkpy
import kubernetes_validate
import yaml

KINDS = {
    "/api/v1": [("secrets", "Secret"), ("configmaps", "ConfigMap"), ("services", "Service"), ("serviceaccounts", "ServiceAccount"),
                ("persistentvolumeclaims", "PersistentVolumeClaim"), ("pods", "Pod")],
    "/apis/apps/v1": [("deployments", "Deployment"), ("statefulsets", "StatefulSet")],
    "/apis/batch/v1": [("cronjobs", "CronJob")],
    "/apis/policy/v1": [("poddisruptionbudgets", "PodDisruptionBudget")],
    "/apis/networking.k8s.io/v1": [("networkpolicies", "NetworkPolicy")],
    "/apis/monitoring.coreos.com/v1": [("servicemonitors", "ServiceMonitor"), ("podmonitors", "PodMonitor")],
}
VERBS = ["create", "get", "list", "update", "patch", "delete"]


class Cluster(http.server.BaseHTTPRequestHandler):
    """What Helm asks of an API server, and nothing more."""

    protocol_version = "HTTP/1.1"

    def answer(self, code, body, kind="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/")
        if path == "/version":
            major, minor = self.server.kubernetes.split(".")
            return self.answer(200, {"major": major, "minor": minor, "gitVersion": f"v{major}.{minor}.0"})
        if path == "/api":
            return self.answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis":
            names = [p.split("/")[2] for p in KINDS if p.startswith("/apis/")]
            version = lambda name: {"groupVersion": f"{name}/v1", "version": "v1"}
            groups = [{"name": n, "versions": [version(n)], "preferredVersion": version(n)} for n in names]
            return self.answer(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        if path in KINDS:
            group = path.removeprefix("/apis/").removeprefix("/api/")
            resources = [{"name": n, "singularName": "", "namespaced": True, "kind": k, "verbs": VERBS} for n, k in KINDS[path]]
            return self.answer(200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources})
        if path in self.server.store:
            return self.answer(200, self.server.store[path])
        if path.endswith("/secrets"):
            items = [v for k, v in self.server.store.items() if "/secrets/" in k]
            return self.answer(200, {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": items})
        return self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})

    def write(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        code = 201 if self.command == "POST" else 200
        kind = self.headers.get("content-type", "")
        if "protobuf" not in kind:
            body = json.loads(raw)
            path = self.path.split("?")[0]
            self.server.store[f"{path}/{body['metadata']['name']}" if self.command == "POST" else path] = body
            return self.answer(code, body)
        return self.answer(code, raw, kind)

    do_POST = do_PUT = do_PATCH = write

    def log_message(self, *_):
        pass


def kubeconfig(folder, port):
    path = Path(folder) / f"kubeconfig-{port}"
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "crm"}}],
    }
    path.write_text(json.dumps(config))
    return str(path)


async def render(folder, chart, job):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    server.kubernetes, server.store = job["kubernetes"], {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        settings = helm_sdkpy.Configuration(namespace="crm", kubeconfig=kubeconfig(folder, server.server_address[1]))
        release = await helm_sdkpy.Install(settings).run("crm", chart, values=job["values"], wait=False)
        return release
    finally:
        server.shutdown()
        server.server_close()


def documents(release):
    texts = [release.get("manifest") or ""] + [hook.get("manifest") or "" for hook in release.get("hooks") or []]
    return [d for text in texts for d in yaml.safe_load_all(text) if d]


def invalid(documents, kubernetes):
    found = []
    for document in documents:
        if document["apiVersion"].startswith("monitoring.coreos.com/"):
            continue  # An operator's own kind: no schema of it is to be had.
        try:
            kubernetes_validate.validate(document, kubernetes, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{document['kind']} {document['metadata']['name']}: {error}")
    return found


async def main(chart, jobs):
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        # Helm caches below the home directory; the user's own must stay as it is. The library is loaded after this.
        os.environ["HOME"] = folder
        lint = await helm_sdkpy.Lint(helm_sdkpy.Configuration(namespace="crm")).run(chart)
        for job in json.loads(Path(jobs).read_text()):
            try:
                release = await render(folder, chart, job)
                rendered, notes = documents(release), release["info"].get("notes", "")
                bad = invalid(rendered, job["kubernetes"])
                told[job["name"]] = {"error": None, "notes": notes, "documents": rendered, "invalid": bad}
            except helm_sdkpy.HelmError as error:
                told[job["name"]] = {"error": str(error), "notes": "", "documents": [], "invalid": []}
    print(json.dumps({"lint": lint, "jobs": told}))


asyncio.run(main(*sys.argv[1:]))
