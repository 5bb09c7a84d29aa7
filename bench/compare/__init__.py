# SPDX-License-Identifier: MIT
"""The whole path beside the store it stands on, in turns: `./dev bench`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "live"))
