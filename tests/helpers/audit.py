"""Checks the installed packages for known vulnerabilities, where it can: ``python -m tests.audit``.

It needs pip-audit (``pip install -e '.[audit]'``) and the network, which a clean machine may not have: without either
it says so and ends with status 0. With both, a vulnerability ends it with status 1.
"""

import importlib.util
import json
import subprocess
import sys

TIMEOUT = 180  # seconds


def audit() -> tuple[int, str]:
    """(exit status, what to print)."""
    if importlib.util.find_spec("pip_audit") is None:
        return 0, "audit: skipped, pip-audit is not installed (pip install -e '.[audit]')"
    command = [sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner", "off", "--format", "json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return 0, f"audit: skipped, no answer within {TIMEOUT} s"
    return verdict(done.stdout, done.stderr)


def verdict(output: str, errors: str) -> tuple[int, str]:
    """(exit status, what to print) of pip-audit's JSON; without any it did not get through."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (errors.strip().splitlines() or ["no output"])[-1][:200]
        return 0, f"audit: skipped, pip-audit could not ask ({reason})"
    found = [
        f"{package['name']} {package['version']}: {bug['id']}, mended in {', '.join(bug['fix_versions']) or 'none'}"
        for package in packages
        for bug in package.get("vulns", [])
    ]
    if found:
        return 1, "\n".join(["audit: known vulnerabilities", *found])
    return 0, f"audit: no known vulnerability in {len(packages)} packages"


if __name__ == "__main__":
    status, message = audit()
    print(message)
    sys.exit(status)
