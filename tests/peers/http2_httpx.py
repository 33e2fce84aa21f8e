"""Calls over HTTP/2 through Python's httpx, side by side on one connection. Arguments: BASE_URL CA_FILE CALLS."""

import asyncio
import json
import ssl
import sys

sys.dont_write_bytecode = True

import httpx

base, ca_file, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])


async def main():
    context = ssl.create_default_context(cafile=ca_file)
    async with httpx.AsyncClient(http2=True, verify=context, trust_env=False, timeout=20) as client:
        body = {"deal": {"name": "Order"}}
        sending = [client.post(f"{base}/api/deals", json=body) for _ in range(calls)]
        answers = await asyncio.gather(*sending)
        for answer in answers:
            assert answer.http_version == "HTTP/2", answer.http_version
            assert answer.status_code == 200, answer.status_code
            assert answer.json() == body, answer.text
    print(json.dumps({"answered": len(answers)}))


asyncio.run(main())
