# SPDX-License-Identifier: MIT
"""TCP links that can be faulted, in a process of their own: `python proxy.py`, which links.py speaks to.

Each line on standard input is one command as JSON, each line on standard output its answer. A link
listens on a port of its own and carries bytes to the first of its upstreams that takes the connection,
beginning with another one each time: so a link with two upstreams is a plain balancer.

The kinds of fault:

    latency   every piece of data comes `seconds` later
    stall     nothing is carried, and all of it comes when the fault is over, as after lost packets
    swallow   what is sent vanishes (`ways`: "up" to the server, "down" from it, "both"), ends of
              connections too; connections that lost something are reset when the fault is over, as
              by a host that came back and does not know them
    trickle   one byte a second each way
    cut       connections end in good order, new ones are refused
    reset     connections are reset, new ones as soon as they are there
"""

import asyncio
import collections
import itertools
import json
import socket
import struct
import sys

HOST = "127.0.0.1"
TRICKLE_SECONDS = 1.0
HIGH = 256 << 10  # bytes that a side may have before the other one is not read any more
NEW_REFUSED = ("cut", "reset")


class Side(asyncio.Protocol):
    """One end of a connection; what is read here goes to `other`."""

    def __init__(self, link, way):
        self.link, self.way = link, way
        self.transport = self.other = None
        self.waiting = collections.deque()
        self.poisoned = self.ended = False
        self.timers = 0

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(HIGH)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # Back-pressure: what cannot be written is not read on the other side.

    def pause_writing(self):
        if self.other:
            self.other.pause()

    def resume_writing(self):
        if self.other and not self.other.waiting:
            self.other.resume()

    def pause(self):
        if self.transport and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self):
        if self.transport and not self.transport.is_closing():
            self.transport.resume_reading()

    # What is read

    def data_received(self, data):
        kind = self.link.kind
        if self.poisoned or self.swallows():
            self.poisoned = True
        elif kind == "latency":
            self.waiting.append(data)
            self.later(self.link.seconds, self.pass_first)
        elif kind in ("stall", "trickle") or self.waiting or not self.other:
            self.waiting.append(data)
            self.pause()
            if kind == "trickle" and not self.timers:
                self.later(TRICKLE_SECONDS, self.pass_byte)
        else:
            self.write(data)

    def swallows(self):
        return self.link.kind == "swallow" and self.link.ways in ("both", self.way)

    def later(self, seconds, act):
        self.timers += 1
        asyncio.get_running_loop().call_later(seconds, self.on_timer, act)

    def on_timer(self, act):
        self.timers -= 1
        act()

    def pass_first(self):
        if self.waiting:
            self.write(self.waiting.popleft())
        self.finish()

    def pass_byte(self):
        if self.waiting and self.link.kind == "trickle":
            first = self.waiting.popleft()
            self.write(first[:1])
            if first[1:]:
                self.waiting.appendleft(first[1:])
            if self.waiting:
                self.later(TRICKLE_SECONDS, self.pass_byte)
            else:
                self.resume()
        self.finish()

    def flush(self):
        """Everything that waits, now that nothing holds it."""
        while self.waiting and self.other:
            self.write(self.waiting.popleft())
        self.resume()
        self.finish()

    def write(self, data):
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.write(data)

    # How it ends

    def connection_lost(self, problem):
        self.ended = True
        if self.swallows() or self.link.kind == "stall":
            self.poisoned = self.poisoned or self.swallows()
            return
        self.finish(problem)

    def finish(self, problem=None):
        if self.ended and not self.waiting and self.other:
            if problem:
                self.other.reset()
            else:
                self.other.close()

    def close(self):
        if self.transport:
            self.transport.close()

    def reset(self):
        if self.transport and not self.transport.is_closing():
            end = self.transport.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


class Link:
    def __init__(self, name):
        self.name = name
        self.upstreams = []
        self.turn = itertools.count()
        self.kind = self.ways = None
        self.seconds = 0
        self.server, self.port = None, 0
        self.holder = None  # keeps the port ours while nobody listens
        self.pairs = set()
        self.taken_by = {}  # port of a client: upstream

    async def listen(self):
        if self.holder:
            self.holder.close()
            self.holder = None
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: Accepted(self), HOST, self.port, backlog=512, reuse_address=True
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def connect(self, client):
        """Take `client` to an upstream that is there."""
        loop = asyncio.get_running_loop()
        port = client.transport.get_extra_info("peername")[1]
        first = next(self.turn)
        for n in range(len(self.upstreams)):
            upstream = self.upstreams[(first + n) % len(self.upstreams)]
            server = Side(self, "down")
            server.other = client
            try:
                await loop.create_connection(lambda: server, *upstream)
            except OSError:
                continue
            self.taken_by[port] = upstream
            client.other = server
            if client.ended:
                server.close()
            elif self.kind in (None, "latency"):
                client.flush()
            return
        client.reset()

    # Faults

    async def fault(self, kind, seconds=0, ways="both"):
        self.kind, self.seconds, self.ways = kind, seconds, ways
        if kind == "cut":
            self.refuse()
            for side in self.sides():
                side.close()
        elif kind == "reset":
            for side in self.sides():
                side.reset()

    def refuse(self):
        if not self.holder:
            self.server.close()
            self.holder = socket.socket()
            self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.holder.bind((HOST, self.port))

    async def clear(self):
        self.kind = None
        for side in self.sides():
            if side.poisoned:
                side.reset()
                if side.other:
                    side.other.reset()
        for side in self.sides():
            side.flush()
        if self.holder:
            await self.listen()

    def sides(self):
        self.pairs = {client for client in self.pairs if not done(client)}
        return [side for client in self.pairs for side in (client, client.other) if side]


def done(client):
    return client.ended and (not client.other or client.other.ended)


class Accepted(Side):
    """The side of a client, for which an upstream is looked for."""

    def __init__(self, link):
        super().__init__(link, "up")

    def connection_made(self, transport):
        super().connection_made(transport)
        if self.link.kind in NEW_REFUSED:
            self.reset()
            return
        self.link.pairs.add(self)
        if len(self.link.pairs) % 64 == 0:
            self.link.sides()
        if self.link.kind == "swallow":
            self.poisoned = True
        else:
            self.task = asyncio.get_running_loop().create_task(self.link.connect(self))


class Proxy:
    def __init__(self):
        self.links = {}

    async def obey(self, do, name, **more):
        if do == "link":
            link = self.links[name] = Link(name)
            link.upstreams = [tuple(each) for each in more["upstreams"]]
            await link.listen()
            return link.port
        link = self.links[name]
        if do == "upstreams":
            link.upstreams = [tuple(each) for each in more["upstreams"]]
        elif do == "fault":
            await link.fault(**more)
        elif do == "clear":
            await link.clear()
        elif do == "taken_by":
            return link.taken_by.get(more["port"])
        return None


async def main():
    proxy, loop = Proxy(), asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            answer = {"ok": await proxy.obey(**json.loads(line))}
        except Exception as problem:
            answer = {"error": repr(problem)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
