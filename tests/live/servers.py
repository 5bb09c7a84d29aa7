#!/usr/bin/env python3
"""RabbitMQ, MinIO and versitygw for the tests: own ports, own data, own processes, nothing left behind.

As a command, `servers.py -- CMD…` runs CMD with the SANGRAHA_TEST_… variables of environment() set.
As a module, each class is a context manager, for tests that stop and restart a server of their own:

    with RabbitMQ() as broker:
        broker.kill()
        broker.start()

Processes end with the thread that started them: start them on one that lives as long as they should.
"""

import argparse
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HOST = "127.0.0.1"
ACCESS_KEY = "sangraha"
SECRET_KEY = "sangraha-secret"


class Unavailable(Exception):
    """This server cannot be had on this machine."""


class Failed(Exception):
    """This server should have worked and did not."""


def free_ports(count):
    """Different ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def find_program(name):
    """`name` on the PATH, or where ./dev puts what it built."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = shutil.which(name) or shutil.which(name, path=home / "sangraha" / "bin")
    if not found:
        raise Unavailable(f"there is no `{name}`; `./dev test` builds it where it can")
    return found


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


class Server:
    """What the three have in common. Ports and data stay the same over stop() and start()."""

    name = ""
    start_seconds = 60
    stop_seconds = 30
    ports_needed = 1
    user = None  # who runs the processes when we are root

    def __init__(self):
        self.ports = None
        self.processes = []
        self.has_been_ready = False
        self.directory = Path(tempfile.mkdtemp(prefix=f"sangraha-{self.name}-"))
        self.log = self.directory / "output.log"
        try:
            self.directory.chmod(0o755)
            self.prepare()
        except BaseException:
            self.close()
            raise

    # What each server says about itself.

    def prepare(self):
        """Once: find the program, make folders."""

    def commands(self):
        """The processes to start, in order; the last one is the server."""
        raise NotImplementedError

    def environment(self):
        return {}

    def is_ready(self):
        raise NotImplementedError

    # What a test uses.

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.processes[-1].pid

    def start(self):
        """Start and wait until it serves."""
        self.launch()
        self.wait()

    def launch(self):
        """Start without waiting, so that several servers can start at the same time."""
        assert not self.processes, "already started"
        if self.ports is None:
            self.ports = free_ports(self.ports_needed)
        for command in self.commands():
            self.processes.append(self._spawn(command))

    def wait(self, attempts=3):
        """Wait until it serves. A first start may have lost a race for a port: it tries others."""
        deadline = time.monotonic() + self.start_seconds
        while not self.is_ready():
            died = [process for process in self.processes if process.poll() is not None]
            if died and not self.has_been_ready and attempts > 1:
                self.kill()
                self.ports = None
                self.launch()
                self.wait(attempts - 1)
                return
            if died or time.monotonic() > deadline:
                self.kill()
                what = "ended" if died else f"did not serve within {self.start_seconds} s"
                raise Failed(f"{self.name} {what}:\n{self.log_tail()}")
            time.sleep(0.05)
        self.has_been_ready = True

    def stop(self):
        """Stop in good order; what is confirmed stays."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(self.stop_seconds)
            except subprocess.TimeoutExpired:
                print(f"{self.name}: killed, as it did not stop", file=sys.stderr)
        self.kill()

    def kill(self):
        """End at once, as a power cut would."""
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes = []

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        """Stop the process without ending it: its connections stay open and nothing answers."""
        self.processes[-1].send_signal(signal.SIGSTOP)

    def resume(self):
        self.processes[-1].send_signal(signal.SIGCONT)

    def close(self):
        """Stop and remove every trace."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self, lines=30):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def full_environment(self):
        """Nothing of ours reaches a server but where programs are."""
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": str(self.directory),
            "LANG": "C.UTF-8",
            **self.environment(),
        }

    def wrapper(self):
        """The command to put before another one: as the right user, ending when we end."""
        if not shutil.which("setpriv"):
            return []
        wrapper = ["setpriv", "--pdeathsig", "TERM"]
        if self.user and os.geteuid() == 0:
            wrapper += [f"--reuid={self.user}", f"--regid={self.user}", "--init-groups"]
        return wrapper + ["--"]

    def _spawn(self, command):
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self.wrapper(), *map(str, command)],
                cwd=self.directory,
                env=self.full_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


class RabbitMQ(Server):
    """One broker with the default user guest:guest, over plain TCP and over TLS, with an epmd of its own."""

    name = "rabbitmq"
    start_seconds = 90
    ports_needed = 4

    def prepare(self):
        self.scripts = self._find_scripts()
        if not shutil.which("epmd") or not shutil.which("openssl"):
            raise Unavailable("rabbitmq needs `epmd` and `openssl`")
        if os.geteuid() == 0:
            try:
                self.user = pwd.getpwnam("rabbitmq").pw_name
            except KeyError:
                raise Unavailable("there is no user `rabbitmq` to run a broker as root") from None
        self.node = f"sangraha-{os.getpid()}-{secrets.token_hex(3)}@localhost"
        self.ca = self.directory / "ca.pem"
        self._make_certificates()
        (self.directory / "plugins").write_text("[].\n")
        cookie = self.directory / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        if self.user:
            for path in [self.directory, *self.directory.iterdir()]:
                shutil.chown(path, self.user, self.user)

    def commands(self):
        self._write_configuration()
        self._write_ctl()
        return [
            ["epmd", "-port", self.ports[3], "-address", HOST],
            [self.scripts / "rabbitmq-server"],
        ]

    def environment(self):
        _, _, dist, epmd = self.ports
        return {
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(dist),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "none.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Makes the start script become the broker instead of staying its parent.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def is_ready(self):
        # The broker opens its listeners last, and the one for TLS after the plain one.
        return listens(self.ports[0]) and listens(self.ports[1])

    def wait(self, attempts=3):
        super().wait(attempts)
        self.ctl("await_startup")

    def ctl(self, *arguments, timeout=60):
        """What rabbitmqctl prints for these arguments."""
        done = subprocess.run(
            [self.ctl_path, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if done.returncode:
            raise Failed(f"rabbitmqctl {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done.stdout

    @property
    def url(self):
        return f"amqp://guest:guest@{HOST}:{self.ports[0]}/%2F"

    @property
    def tls_url(self):
        # rabbitmq-c 0.11 holds a certificate against names only, not against addresses.
        return f"amqps://guest:guest@localhost:{self.ports[1]}/%2F"

    @property
    def ctl_path(self):
        return self.directory / "rabbitmqctl"

    @staticmethod
    def _find_scripts():
        """Debian's programs on the PATH run as root or rabbitmq only; those they call run as anybody."""
        debian = Path("/usr/lib/rabbitmq/bin")
        if (debian / "rabbitmq-server").exists():
            return debian
        found = shutil.which("rabbitmq-server")
        if not found:
            raise Unavailable("there is no `rabbitmq-server`")
        return Path(found).resolve().parent

    def _write_configuration(self):
        plain, tls, _, _ = self.ports
        (self.directory / "rabbitmq.conf").write_text(
            f"""listeners.tcp.1 = {HOST}:{plain}
listeners.ssl.1 = {HOST}:{tls}
ssl_options.cacertfile = {self.ca}
ssl_options.certfile = {self.directory / "server.pem"}
ssl_options.keyfile = {self.directory / "server.key"}
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
loopback_users.guest = true
disk_free_limit.absolute = 64MB
log.file.level = info
"""
        )

    def _write_ctl(self):
        # Only the node's own user may read its cookie. The wrapper ends by itself, so that it is of no
        # concern to it when its caller ends.
        user = f"setpriv --reuid={self.user} --regid={self.user} --init-groups -- " if self.user else ""
        settings = " ".join(f"'{name}={value}'" for name, value in self.full_environment().items())
        self.ctl_path.write_text(
            f"""#!/bin/sh
cd '{self.directory}' || exit 1
exec {user}env -i {settings} '{self.scripts / "rabbitmqctl"}' "$@"
"""
        )
        self.ctl_path.chmod(0o755)

    def _make_certificates(self):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        (self.directory / "server.ext").write_text(f"subjectAltName=IP:{HOST},DNS:localhost\n")
        for command in (
            ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30"]
            + ["-subj", "/CN=Sangraha test authority"],
            ["req", "-new", *key, "-keyout", "server.key", "-out", "server.csr"]
            + ["-subj", "/CN=localhost"],
            ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"]
            + ["-CAcreateserial", "-days", "30", "-extfile", "server.ext", "-out", "server.pem"],
        ):
            done = subprocess.run(
                ["openssl", *command], cwd=self.directory, capture_output=True, text=True
            )
            if done.returncode:
                raise Failed(f"openssl {' '.join(command)}: {done.stderr}")


class MinIO(Server):
    """One MinIO on one folder, `data`."""

    name = "minio"
    access_key = ACCESS_KEY
    secret_key = SECRET_KEY

    def prepare(self):
        self.program = find_program("minio")
        self.data = self.directory / "data"
        self.data.mkdir()

    def commands(self):
        return [[self.program, "server", self.data, "--address", f"{HOST}:{self.ports[0]}"]]

    def environment(self):
        return {
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }

    def is_ready(self):
        return answers(f"http://{HOST}:{self.ports[0]}/minio/health/cluster")

    @property
    def url(self):
        return f"s3+http://{HOST}:{self.ports[0]}"


class VersityGW(Server):
    """One versitygw on one folder, `data`: plain S3 without any extension."""

    name = "versitygw"
    access_key = ACCESS_KEY
    secret_key = SECRET_KEY

    def prepare(self):
        self.program = find_program("versitygw")
        self.data = self.directory / "data"
        self.data.mkdir()
        self.metadata_options = []
        try:
            os.setxattr(self.data, "user.sangraha", b"1")
            os.removexattr(self.data, "user.sangraha")
        except OSError:
            sidecar = self.directory / "metadata"
            sidecar.mkdir()
            self.metadata_options = ["--sidecar", sidecar]

    def commands(self):
        address = f"{HOST}:{self.ports[0]}"
        return [
            [self.program, "--port", address, "--health", "/health", "--keep-alive", "--quiet"]
            + ["posix", *self.metadata_options, self.data]
        ]

    def environment(self):
        return {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}

    def is_ready(self):
        return answers(f"http://{HOST}:{self.ports[0]}/health")

    @property
    def url(self):
        return f"s3+http://{HOST}:{self.ports[0]}"


def environment(servers):
    """The variables by which tests find these servers."""
    found = {}
    for server in servers:
        if isinstance(server, RabbitMQ):
            found["SANGRAHA_TEST_AMQP_URL"] = server.url
            found["SANGRAHA_TEST_AMQPS_URL"] = server.tls_url
            found["SANGRAHA_TEST_AMQP_CA"] = str(server.ca)
            found["SANGRAHA_TEST_RABBITMQCTL"] = str(server.ctl_path)
        elif isinstance(server, MinIO):
            found["SANGRAHA_TEST_MINIO_URL"] = server.url
            found["SANGRAHA_TEST_MINIO_DATA"] = str(server.data)
        elif isinstance(server, VersityGW):
            found["SANGRAHA_TEST_VERSITY_URL"] = server.url
    if "SANGRAHA_TEST_MINIO_URL" in found or "SANGRAHA_TEST_VERSITY_URL" in found:
        found["SANGRAHA_TEST_S3_ACCESS_KEY"] = ACCESS_KEY
        found["SANGRAHA_TEST_S3_SECRET_KEY"] = SECRET_KEY
    return found


def must_have_servers():
    """Whether a server that cannot be had is a failure: on CI, and where it could be installed."""
    return bool(os.environ.get("CI") or os.environ.get("SANGRAHA_TEST_STRICT"))


class Servers:
    """All three, started at the same time. `problems` has the reason for each one that is not there."""

    def __init__(self):
        self.running = []
        self.problems = {}

    def __enter__(self):
        try:
            launched = [server for kind in (RabbitMQ, MinIO, VersityGW) for server in self._launch(kind)]
            for server in launched:
                try:
                    server.wait()
                except (Failed, OSError, subprocess.SubprocessError) as error:
                    self.problems[server.name] = str(error)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with deaf():
            for server in self.running:
                server.close()
            self.running = []

    def environment(self):
        return environment(server for server in self.running if server.name not in self.problems)

    def _launch(self, kind):
        try:
            server = kind()
            self.running.append(server)
            server.launch()
            return [server]
        except (Unavailable, Failed, OSError) as error:
            self.problems[kind.name] = str(error)
            return []


@contextlib.contextmanager
def deaf():
    """Cleaning up is not interrupted."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, signal.SIG_IGN) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def exit_on_signals():
    """Let the signals that end a program run what is in its `finally`."""

    def end(number, _):
        raise SystemExit(128 + number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, end)


def main():
    parser = argparse.ArgumentParser(description="Run a command with test servers around it.")
    parser.add_argument("command", nargs="+", help="write -- before it")
    arguments = parser.parse_args()

    exit_on_signals()
    started = time.monotonic()
    with Servers() as servers:
        for name, problem in servers.problems.items():
            print(f"servers: no {name}: {problem}", file=sys.stderr)
        if servers.problems and must_have_servers():
            return 1
        print(f"servers: up after {time.monotonic() - started:.1f} s", file=sys.stderr)
        command = subprocess.Popen(
            arguments.command, env={**os.environ, **servers.environment()}
        )
        try:
            status = command.wait()
        finally:
            with deaf():
                if command.poll() is None:
                    command.terminate()
                    command.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
