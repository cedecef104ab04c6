"""A bare asyncio client: what the same requests take without journal, lineage, limits and retries.

It knows all requests from the start, keeps one connection per call in flight, reads each answer to its end, and
throws it away.
"""

import asyncio
import json
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit


def ask_again(url: str, gens: str, count: int, in_flight: int) -> dict[str, float]:
    """Send requests that a store has on record once more; returns seconds, CPU seconds and how many there were.

    Args:
        url: base URL of `daydream serve-offline`.
        gens: folder of the store's generations.
        count: how many requests; those on record are repeated if they are fewer.
        in_flight: connections.
    """
    kept = sorted(Path(gens).glob("*/*/attempts/0001.json"))[:count]
    found = [json.loads(path.read_text())["request"] for path in kept]
    bodies = [json.dumps(request).encode() for request in found]
    waiting = deque(bodies[number % len(bodies)] for number in range(count))
    begun, used = time.monotonic(), time.process_time()
    asyncio.run(_ask_all(url, waiting, in_flight))
    return {"wall_s": time.monotonic() - begun, "cpu_s": time.process_time() - used, "calls": count}


async def _ask_all(url: str, waiting: deque[bytes], in_flight: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(_ask(url, waiting))


async def _ask(url: str, waiting: deque[bytes]) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST {address.path}/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: "
    while waiting:
        body = waiting.popleft()
        writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        if " 200 " not in lines[0]:
            raise RuntimeError(f"the server says {lines[0]}")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        json.loads(await reader.readexactly(int(headers["content-length"])))
    writer.close()
