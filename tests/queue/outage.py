#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run a test program with a broker of its own, which it may stop and starve: outage.py PROGRAM."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "live"))

import servers  # noqa: E402


def main():
    servers.exit_on_signals()
    try:
        broker = servers.RabbitMQ()
    except servers.Unavailable as problem:
        print(f"1..0 # SKIP {problem}")
        return 1 if servers.must_have_servers() else 0
    with broker:
        return subprocess.call(
            sys.argv[1:],
            env={
                **os.environ,
                "SANGRAHA_TEST_AMQP_URL": broker.url,
                "SANGRAHA_TEST_RABBITMQCTL": str(broker.ctl_path),
            },
        )


if __name__ == "__main__":
    sys.exit(main())
