"""Both ends of a WebSocket through Python's websockets.

    websocket.py serve [CERTIFICATE KEY]   a server that answers each message with it; prints `listening on PORT`; with a
                                           certificate it speaks TLS and would rather speak HTTP/2
    websocket.py call URI MESSAGES [CA]    opens URI, exchanges MESSAGES text and binary messages, pings, closes
"""

import asyncio
import json
import os
import ssl
import sys

sys.dont_write_bytecode = True

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve


async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)


async def server(certificate=None, key=None):
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["h2", "http/1.1"])
    async with serve(echo, "127.0.0.1", 0, ssl=context) as running:
        print(f"listening on {running.sockets[0].getsockname()[1]}", flush=True)
        await running.serve_forever()


async def client(uri, messages, ca_file=None):
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    exchanged = 0
    async with connect(uri, ssl=context, proxy=None, open_timeout=20) as websocket:
        for index in range(int(messages)):
            message = os.urandom(70_000) if index % 2 else f"message {index} é"
            await websocket.send(message)
            assert await websocket.recv() == message
            exchanged += 1
        await (await websocket.ping())
    assert websocket.close_code == 1000, websocket.close_code
    print(json.dumps({"exchanged": exchanged}))


asyncio.run({"serve": server, "call": client}[sys.argv[1]](*sys.argv[2:]))
