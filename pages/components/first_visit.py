"""One visit to the root page right after a start: `python -m pages.components.first_visit http://localhost:8501`.

Until a session has run `app.py`, Streamlit answers a deep link with "page not found" first. A health probe runs no
script, so the supervisor pays the first visit itself; the first person then also meets warm caches.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

_SECONDS = 30.0


async def visit(address: str) -> bool:
    """True when the root page has run to its end."""
    stream = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(stream, protocols=("streamlit",), headers={"Origin": address}) as socket,
    ):
        wish = BackMsg()
        wish.rerun_script.query_string = ""
        await socket.send_bytes(wish.SerializeToString())
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                return False
            answer = ForwardMsg()
            answer.ParseFromString(message.data)
            if answer.WhichOneof("type") == "script_finished":
                return True
    return False


def main(address: str) -> int:
    try:
        return 0 if asyncio.run(asyncio.wait_for(visit(address), _SECONDS)) else 1
    except (TimeoutError, aiohttp.ClientError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
