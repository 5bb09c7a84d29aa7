# SPDX-License-Identifier: MIT
"""The installed tree as a stranger finds it: through pkg-config."""

import os
import shlex
from pathlib import Path

from tap import run

# In front of the libraries, which may be files and are no source; clang minds when they are none.
LIBRARIES = ["-Wno-unused-command-line-argument", "-x", "none"]


class Installed:
    """`meson install` of a build folder into one of its own, with the environment that finds it."""

    def __init__(self, build, folder):
        self.folder = Path(folder)
        done = run("meson", "install", "-C", build, "--no-rebuild", "--destdir", self.folder)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        self.prefix = next(self.folder.rglob("include/sangraha")).parents[1]
        self.libraries = next(self.folder.rglob("libsangraha.so")).parent
        self.packages = self.libraries / "pkgconfig"
        self.has_rest = (self.libraries / "libsangraha-rest.so").exists()
        self.env = {
            **os.environ,
            "PKG_CONFIG_PATH": str(self.packages),
            "PKG_CONFIG_SYSROOT_DIR": str(self.folder),
            "LD_LIBRARY_PATH": str(self.libraries),
        }

    def pkg_config(self, *arguments):
        done = run("pkg-config", *arguments, env=self.env)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return shlex.split(done.stdout)

    def compile(self, compiler, source, program, *options, package="sangraha"):
        """Build `program` of one source, as its author would; what the compiler says when it fails."""
        flags = self.pkg_config("--cflags", "--libs", package)
        done = run(*shlex.split(compiler), *options, source, *LIBRARIES, *flags, "-o", program)
        if done.returncode:
            yield f"{compiler}: {done.stderr}"
