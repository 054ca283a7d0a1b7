"""Makes `.venv` with the locked requirements. A script of its own: it runs before there is anything to import.

Any Python 3 may start it, so it names what is missing; the work is done by one of 3.11 or newer.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "requirements.sha256"
LOG = ROOT / "var" / "setup.log"
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
MIN_PYTHON = (3, 11)
NEEDED_BYTES = 800_000_000
FULL_DISK_BYTES = 64_000_000
OFFLINE_SIGNS = ("NewConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "name resolution", "unreachable")
NEWER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")


def main():
    """Set the virtual environment up, unless it holds just these requirements already."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in REQUIREMENTS)).hexdigest()
    if is_installed(digest):
        return
    use_new_enough_python()
    (ROOT / "var").mkdir(exist_ok=True)
    with (ROOT / "var" / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_installed(digest):  # by another make, while we waited
            return
        check_room()
        if VENV.is_symlink():  # another clone's environment is not ours to change
            VENV.unlink()
        make_environment()
        STAMP.unlink(missing_ok=True)
        install()
        STAMP.write_text(digest)


def is_installed(digest):
    """Return whether the environment works and was filled from requirements of this digest."""
    return os.access(PYTHON, os.X_OK) and STAMP.exists() and STAMP.read_text() == digest


def use_new_enough_python():
    """Go on in a Python that is new enough and can make environments; name the one that is missing if there is none."""
    if sys.version_info < MIN_PYTHON:
        for name in NEWER_PYTHONS:
            found = shutil.which(name)
            if found:
                sys.exit(subprocess.call([found, *sys.argv]))
        sys.exit(f"error: Python 3.11 or newer is needed, this is {sys.version.split()[0]} ({sys.executable})")
    probe = subprocess.run([sys.executable, "-c", "import venv, ensurepip"], capture_output=True, check=False)
    if probe.returncode:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(f"error: {sys.executable} cannot make virtual environments: install python{version}-venv")


def check_room():
    """Refuse to begin what would end in the middle. An update needs less."""
    if not VENV.exists() and shutil.disk_usage(ROOT).free < NEEDED_BYTES:
        sys.exit(
            f"error: .venv wants {NEEDED_BYTES // 1_000_000} MB on the disk of {ROOT}: make room there, then try again"
        )


def make_environment():
    """Create `.venv`, or again if it was never complete or if its Python is gone or too old."""
    command = [sys.executable, "-m", "venv", str(VENV)]
    check = f"import sys, pip; sys.exit(sys.version_info < {MIN_PYTHON})"
    if STAMP.exists() and subprocess.run([str(PYTHON), "-c", check], capture_output=True, check=False).returncode == 0:
        return
    print("Python: creating .venv …", flush=True)
    done = subprocess.run([*command, "--clear"], capture_output=True, text=True, check=False)
    if done.returncode:
        fail(".venv could not be made", done.stdout + done.stderr)


def install():
    """Install the locked requirements, showing progress now and then. Nothing is cached outside the clone."""
    total = sum(line[:1].isalnum() for file in REQUIREMENTS for line in file.read_text().splitlines())
    print(f"Python: installing {total} packages …", flush=True)
    options = [part for file in REQUIREMENTS for part in ("--requirement", str(file))]
    command = [str(PYTHON), "-m", "pip", "install", "--require-hashes", "--no-cache-dir", "--no-input", *options]
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "PIP_USER")}
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as pip:
        lines = []
        collected = 0
        for line in pip.stdout:
            lines.append(line)
            if line.startswith("Collecting "):
                collected += 1
                if collected % 10 == 0:
                    print(f"Python: {collected} of {total} packages fetched …", flush=True)
    if pip.returncode:
        fail("the requirements could not be installed", "".join(lines))
    print("Python: .venv is complete", flush=True)


def fail(what, output):
    """Exit with one line that has the cause and its cure; the rest is in the log."""
    if is_full() or "No space left on device" in output:
        sys.exit(f"error: {what}: the disk of {ROOT} is full: make room there, then try again")
    LOG.write_text(output)
    if any(sign in output for sign in OFFLINE_SIGNS):
        sys.exit(f"error: {what}: no package index was reached: check the network or the proxy (pip's words: {LOG})")
    causes = [line.strip() for line in output.splitlines() if line.lower().startswith("error:")] or [what]
    sys.exit(f"error: {what}: {causes[-1].removeprefix('ERROR: ')} (the rest: {LOG})")


def is_full():
    """Return whether the disk is so full that anything else that went wrong comes from it."""
    return shutil.disk_usage(ROOT).free < FULL_DISK_BYTES


if __name__ == "__main__":
    try:
        main()
    except OSError as problem:
        if is_full() or problem.errno in (errno.ENOSPC, errno.EDQUOT):
            sys.exit(f"error: the disk of {ROOT} is full: make room there, then try again")
        sys.exit(f"error: {problem.filename}: {problem.strerror}: let this user write there, or use a clone of its own")
