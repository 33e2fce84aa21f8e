"""The Freshsales flow through Python's requests: keep-alive HTTP/1.1 with its own header order and compression."""

import sys

sys.dont_write_bytecode = True

import requests

from freshsales_flow import Flow, arguments

base, key, prefix = arguments()
session = requests.Session()
session.trust_env = False


def send(method, path, query, body, headers):
    answer = session.request(method, base + path, params=query, json=body, headers=headers, timeout=20)
    return answer.status_code, answer.headers, answer.json()


Flow("requests", send, key, prefix).run()
