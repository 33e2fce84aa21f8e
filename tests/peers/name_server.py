"""A name server on 127.0.0.1: name_server.py ZONE PORT.

ZONE is a JSON file, read anew for each question: names with their addresses, or with the one name they stand for. Every
answer holds for one second.
"""

import ipaddress
import json
import sys
import threading

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A
from dnslib.server import BaseResolver, DNSServer


class Zone(BaseResolver):
    def __init__(self, path):
        self.path = path

    def resolve(self, request, handler):
        with open(self.path, encoding="utf-8") as file:
            names = json.load(file)
        reply = request.reply()
        name = str(request.q.qname).rstrip(".").lower()
        if name not in names:
            reply.header.rcode = RCODE.NXDOMAIN
        while name in names:
            values, owner, name = names[name], name, None
            for value in values:
                try:
                    ip = ipaddress.ip_address(value)
                except ValueError:
                    reply.add_answer(RR(owner, QTYPE.CNAME, rdata=CNAME(value), ttl=1))
                    name = value
                    continue
                kind, data = (QTYPE.A, A) if ip.version == 4 else (QTYPE.AAAA, AAAA)
                if request.q.qtype == kind:
                    reply.add_answer(RR(owner, kind, rdata=data(value), ttl=1))
        return reply


zone = Zone(sys.argv[1])
for tcp in (False, True):
    server = DNSServer(zone, port=int(sys.argv[2]), address="127.0.0.1", tcp=tcp)
    server.start_thread()
threading.Event().wait()
