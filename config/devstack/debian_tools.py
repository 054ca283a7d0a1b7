"""Finds or fetches what some tests run: promtool for the alert rules, Chromium for the pages."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import playwright.sync_api as playwright

from config.devstack.debian import SYSTEM_ROOT, DebianPackages, ensure_unpacked, library_path, succeeds
from config.devstack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROMTOOL = DebianPackages(
    name="promtool",
    names=("prometheus",),
    megabytes=25,
    remedy="install prometheus",
)
CHROMIUM = DebianPackages(
    name="Chromium",
    # The fonts so that a page looks the same wherever this was fetched; the library for Playwright's Node.js.
    names=("chromium", "chromium-common", "fonts-dejavu-core", "fonts-liberation", "libatomic1"),
    megabytes=120,
    remedy="install Chromium or Google Chrome, or name one in CHROMIUM=",
)
NODE = Path(playwright.__file__).parents[1] / "driver" / "node"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# Debian's own configuration names folders of the machine. These are relative to the file, so the clone may move.
FONTS_CONF = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir prefix="relative">../../usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias binding="same"><family>Arial</family><accept><family>Liberation Sans</family></accept></alias>
  <alias binding="same"><family>Times New Roman</family><accept><family>Liberation Serif</family></accept></alias>
  <alias binding="same"><family>Helvetica</family><accept><family>Liberation Sans</family></accept></alias>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""


@dataclass(frozen=True)
class Browser:
    """A Chromium for Playwright: the arguments of its `launch`, or `opened` for all in one."""

    executable_path: Path
    env: Mapping[str, str]
    # Its sandbox wants a setuid helper or user namespaces, and never lets root; it only ever sees our own pages.
    args: tuple[str, ...] = (
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
    )

    @contextmanager
    def opened(self) -> Iterator[playwright.Browser]:
        """Run Playwright's browser until the end of the block."""
        with _exported_library_path(self.env):
            driver = playwright.sync_playwright().start()
        try:
            browser = driver.chromium.launch(executable_path=self.executable_path, env=dict(self.env), args=self.args)
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.stop()

    @property
    def is_usable(self) -> bool:
        """Whether it and Playwright's own Node.js are there and find their libraries on this machine."""
        env = dict(self.env)
        return succeeds(self.executable_path, "--version", "--no-sandbox", env=env) and succeeds(
            NODE, "--version", env=env
        )


def promtool(folder: Path, *, announce: Callable[[str], None]) -> Path:
    """Return the machine's promtool, or the one unpacked in this folder, which is fetched now if it is not there."""
    if own := shutil.which("promtool"):
        return Path(own)
    root = ensure_unpacked(
        PROMTOOL,
        folder,
        is_usable=lambda root: succeeds(root / "promtool", "--version"),
        finish=_keep_promtool_only,
        announce=announce,
    )
    return root / "promtool"


def chromium(folder: Path, *, announce: Callable[[str], None]) -> Browser:
    """Return the Chromium of CHROMIUM=, the machine's, or the one unpacked in this folder and fetched if need be."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    # What browser and fontconfig keep for themselves stays in the clone.
    env = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")} | {"HOME": str(home)}
    if named := os.environ.get("CHROMIUM"):
        browser = Browser(Path(named), env)
        if not browser.is_usable:
            raise StackError(f"CHROMIUM={named} does not start: name a Chromium that does, or none")
        return browser
    # Debian's /usr/bin/chromium is a script that adds the options of /etc/chromium.d.
    found = [Path(path) for name in CHROMIUM_NAMES if (path := shutil.which(name))]
    for browser in (Browser(path, env) for path in (SYSTEM_ROOT / "usr/lib/chromium/chromium", *found)):
        if browser.is_usable:
            return browser
    root = ensure_unpacked(
        CHROMIUM,
        folder,
        is_usable=lambda root: _unpacked_browser(root, env).is_usable,
        finish=_write_fonts_conf,
        announce=announce,
    )
    return _unpacked_browser(root, env)


def _unpacked_browser(root: Path, env: Mapping[str, str]) -> Browser:
    own = {"LD_LIBRARY_PATH": library_path(root), "FONTCONFIG_FILE": str(root / "etc/fonts/fonts.conf")}
    return Browser(root / "usr/lib/chromium/chromium", {**env, **own})


@contextmanager
def _exported_library_path(env: Mapping[str, str]) -> Iterator[None]:
    """Export the libraries that were unpacked: Playwright starts its Node.js with our own environment."""
    before = os.environ.get("LD_LIBRARY_PATH")
    os.environ["LD_LIBRARY_PATH"] = env.get("LD_LIBRARY_PATH", "")
    try:
        yield
    finally:
        del os.environ["LD_LIBRARY_PATH"]
        if before is not None:
            os.environ["LD_LIBRARY_PATH"] = before


def _keep_promtool_only(root: Path) -> None:
    """Remove the rest, a server that nobody starts here: 300 MB."""
    (root / "usr/bin/promtool").rename(root / "promtool")
    shutil.rmtree(root / "usr")


def _write_fonts_conf(root: Path) -> None:
    file = root / "etc/fonts/fonts.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(FONTS_CONF)
