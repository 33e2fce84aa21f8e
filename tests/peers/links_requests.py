"""Follows a job's address and a redirect through Python's requests; prints where the redirect ended."""

import json
import sys

import requests

base, key, prefix, ca_file = sys.argv[1:]
session = requests.Session()
session.trust_env = False
session.verify = ca_file
session.headers.update({"Authorization": f"Token token={key}"})


def call(step, method, url, **more):
    answer = session.request(method, url, headers={"X-Correlation-ID": f"{prefix}-{step}"}, timeout=20, **more)
    assert answer.status_code == 200, f"{step}: {answer.status_code} {answer.text}"
    assert "Alt-Svc" not in answer.headers, answer.headers
    return answer


contacts = [{"emails": f"job.{prefix}@requests.example", "data": {"last_name": "Job"}}]
job = call("job", "POST", f"{base}/crm/sales/api/contacts/bulk_upsert", json={"contacts": contacts}).json()
assert job["job_status_url"].startswith(f"{base}/"), job
states = [call(f"status-{n}", "GET", job["job_status_url"]).json()["status"] for n in (1, 2)]
assert states == ["In Progress", "Completed"], states
moved = call("moved", "GET", f"{base}/api/contacts/filters")
assert len(moved.history) == 1, moved.history
assert {cookie.domain for cookie in session.cookies} == {"127.0.0.1"}, session.cookies
print(json.dumps({"client": "requests", "redirected_to": moved.url}))
