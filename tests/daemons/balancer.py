# SPDX-License-Identifier: MIT
"""A plain TCP balancer: whoever takes the connection has it. It knows nothing of HTTP."""

import itertools
import socket
import threading


class Balancer:
    """Hands each connection to one address after another, and to the next one where it is refused."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.turns = itertools.count()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def connect(self):
        first = next(self.turns)
        for i in range(len(self.addresses)):
            try:
                return socket.create_connection(self.addresses[(first + i) % len(self.addresses)], timeout=10)
            except ConnectionRefusedError:
                continue
        return None

    def serve(self, client):
        server = self.connect()
        if server is None:
            client.close()
            return
        server.settimeout(None)
        back = threading.Thread(target=pump, args=(server, client), daemon=True)
        back.start()
        pump(client, server)
        back.join()
        client.close()
        server.close()

    def close(self):
        self.listener.close()


def pump(source, target):
    """Pass on bytes, and the end of them; a reset of one is one of the other."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
