# SPDX-License-Identifier: MIT
"""Clients that send or read next to nothing, many at once, and one among them who wants to be served."""

import socket
import threading
from urllib.parse import urlsplit

import pytest
import samples
from harness import Daemon, Rest, program

MANY = 40
MIB = 1 << 20
# The bound of a program's memory over memory-limit that README.md tells.
OVER = 80 * MIB
LIMIT = 32 * MIB


pytestmark = pytest.mark.skipif(not program("serve").exists(), reason="not built: sangraha")


@pytest.fixture
def serve(tmp_path):
    daemon = Daemon("serve", {"SANGRAHA_DATA_DIR": str(tmp_path / "data")}).start().ready()
    yield daemon
    daemon.kill()


@pytest.fixture
def rest(serve):
    return Rest(serve.url)


class Slow(threading.Thread):
    """Sends a header and a beginning to each of its connections, and then a byte a second."""

    def __init__(self, daemon, count, begin, trickle=b""):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.trickle = trickle
        at = urlsplit(daemon.url)
        self.sockets = [socket.create_connection((at.hostname, at.port)) for _ in range(count)]
        for each in self.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.setblocking(False)
            self.push(each, begin)

    @staticmethod
    def push(each, data):
        try:
            each.send(data)
        except OSError:
            pass

    def run(self):
        while self.trickle and not self.over.wait(1):
            for each in self.sockets:
                self.push(each, self.trickle)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        for each in self.sockets:
            each.close()


POST = b"POST /v1/objects HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
FORM = (
    POST + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
)
LONG = POST + b"Content-Length: 4000000\r\nContent-Type: image/png\r\n\r\n"
PICTURE = samples.picture("PNG")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def a_picture(size):
    return PICTURE + bytes(size - len(PICTURE))


def in_chunks(data):
    for at in range(0, len(data), MIB):
        yield data[at : at + MIB]


def serves(rest):
    """One of everything that wants memory."""
    for size in (len(PICTURE), 3 * MIB, 9 * MIB):
        data = a_picture(size)
        stored = rest.store(in_chunks(data), "image/png")
        assert rest.content(stored["reference"]) == data
        assert rest.delete(stored["reference"]).status_code == 204


SENDERS = {
    "header": (MANY, POST, b"X"),
    "chunks": (MANY, CHUNKED + chunk(PICTURE[:100]), chunk(b"x")),
    "chunks at 1 KiB/s": (MANY, CHUNKED + chunk(PICTURE[:100]), chunk(bytes(1024))),
    # These look as fast as others until they have all the memory.
    "chunks that stop": (MANY, CHUNKED + chunk(a_picture(100_000)), chunk(bytes(2000))),
    "a form that stops": (8, FORM + a_picture(100_000), bytes(2000)),
    "a length that does not come": (8, LONG + a_picture(100_000), bytes(2000)),
}


@pytest.mark.parametrize("kind", SENDERS)
def test_slow_senders_are_in_nobodys_way(serve, rest, kind):
    with Slow(serve, *SENDERS[kind]):
        serves(rest)
    assert resident(serve) < LIMIT + OVER


def read(reference):
    return f"GET /v1/objects/{reference} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.mark.parametrize("size, count", [(3 * MIB, MANY), (40 * MIB, 250)])
def test_slow_readers_are_in_nobodys_way(serve, rest, size, count):
    reference = rest.store(in_chunks(a_picture(size)), "image/png")["reference"]
    with Slow(serve, count, read(reference)):
        serves(rest)
        assert resident(serve) < LIMIT + OVER


def resident(daemon):
    """Bytes of memory, of which the largest number so far counts."""
    with open(f"/proc/{daemon.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
