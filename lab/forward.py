"""Carries TCP connections from a loopback address to a host's port 22; it reads nothing of what it carries."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from lab.errors import LabError
from lab.settings import SSH_PORT


def listen(address: str) -> socket.socket:
    """Bind on loopback in the caller's present network namespace; the socket stays there when the caller leaves."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, SSH_PORT))
    except OSError as problem:
        listening.close()
        raise LabError(
            f"cannot listen on {address}:{SSH_PORT}: because {problem.strerror}; another lab may run "
            "(set WAVEBOARD_LAB_NAME for a second one)"
        ) from None
    listening.listen(512)
    return listening


async def serve(listening: socket.socket, target: str) -> asyncio.Server:
    """Forward every connection to `target`, port 22. A target that does not answer closes the connection."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.wait_for(asyncio.open_connection(target, 22), 10)
        except (OSError, TimeoutError):
            writer.close()
            return
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
        there_writer.close()
        writer.close()

    return await asyncio.start_server(carry, sock=listening)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until it ends, then say so to the far end; the other direction goes on."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()
