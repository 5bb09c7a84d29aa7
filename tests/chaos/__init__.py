# SPDX-License-Identifier: MIT
"""Faults under load, and a ledger that says whether anything was lost: `./dev chaos`."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
for folder in ("daemons", "live"):
    sys.path.insert(0, str(TESTS / folder))
