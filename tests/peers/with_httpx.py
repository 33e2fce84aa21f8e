"""The Freshsales flow through Python's httpx, over HTTP/1.1."""

import sys

sys.dont_write_bytecode = True

import httpx

from freshsales_flow import Flow, arguments

base, key, prefix = arguments()
client = httpx.Client(trust_env=False, timeout=20)


def send(method, path, query, body, headers):
    answer = client.request(method, base + path, params=query, json=body, headers=headers)
    assert answer.http_version == "HTTP/1.1", answer.http_version
    return answer.status_code, answer.headers, answer.json()


Flow("httpx", send, key, prefix).run()
