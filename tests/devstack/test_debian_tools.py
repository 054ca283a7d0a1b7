"""Promtool and Chromium, run as the tests do."""

import subprocess

from config.devstack.paths import DOWNLOADS


def test_promtool_checks_rules(promtool, tmp_path):
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: sample, rules: [{alert: Down, expr: up == 0}]}]")
    assert subprocess.run([promtool, "check", "rules", rules], capture_output=True, check=False).returncode == 0
    rules.write_text("groups: [{name: sample, rules: [{alert: Down, expr: up ==}]}]")
    assert subprocess.run([promtool, "check", "rules", rules], capture_output=True, check=False).returncode == 1


def test_chromium_shows_text(chromium):
    """A page without fonts is empty boxes, all of the same width."""
    with chromium.opened() as browser:
        page = browser.new_page()
        page.set_content(
            "<span style='font-family: sans-serif'>iiii</span> <b style='font-family: sans-serif'>MMMM</b>"
        )
        narrow, wide = (page.locator(tag).bounding_box()["width"] for tag in ("span", "b"))
        assert wide > 2 * narrow
        assert page.locator("body").inner_text() == "iiii MMMM"


def test_chromium_leaves_nothing_in_the_home_folder(chromium):
    assert chromium.env["HOME"] == str(DOWNLOADS["chromium"] / "home")
    assert not [name for name in chromium.env if name.startswith("XDG_")]
