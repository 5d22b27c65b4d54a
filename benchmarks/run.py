"""All benchmarks one after the other, and a table of their figures: what `make bench` runs.

Each script starts services of its own in a temporary folder and prints what it measures; the table at the end holds the
figures beside what each is compared with and should be. ``small`` takes minutes and shows whether anything has
become much slower; ``full`` is what docs/performance.md tells of, and wants a machine of its own for hours.

    python benchmarks/run.py [--size small|full] [--only ingest due ...]
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from measuring import FIGURES, ROOT

# Script -> its options when small, and when full.
SCRIPTS: dict[str, tuple[str, str]] = {
    "ingest": ("--rounds 5 --clients 4", "--rounds 9 --clients 4"),
    "latency": (
        "--rates 1000 --seconds 20 --contacts 10000 --events 200000",
        "--rates 1000 5000 --seconds 180 --contacts 50000 --events 1000000",
    ),
    "due": ("--rounds 5", "--rounds 15"),
    "one": ("", ""),
    "rejudge": ("--contacts 20000 --events 400000", "--contacts 1000000 --events 20000000 --also 200000"),
    "what_if": ("--contacts 20000 --events 400000 --rounds 3 --without-ingest", "--without-ingest"),
    "import": ("--rows 20000 --rounds 1", "--rows 200000 --rounds 1"),
    "funnel": ("--contacts 5000 --rounds 3", "--contacts 1000000"),
    "duplicates": ("--contacts 10000", ""),
    "claims": ("", ""),
    "pages": ("--contacts 10000 --events 50000 --rounds 10", "--contacts 1000000 --events 2000000"),
    "hosts": ("", ""),
    "size": ("", ""),
}


def main() -> None:
    """Run what was asked for; ends with 1 when a script failed, whose figures are then missing from the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["small", "full"], default="small")
    parser.add_argument("--only", nargs="+", choices=sorted(SCRIPTS), default=list(SCRIPTS))
    options = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="ripen-bench-") as folder:
        figures = Path(folder) / "figures"
        figures.touch()
        for name in options.only:
            given = SCRIPTS[name][options.size == "full"].split()
            print(f"== bench_{name}.py {' '.join(given)}", flush=True)
            done = subprocess.run(
                [sys.executable, str(ROOT / "benchmarks" / f"bench_{name}.py"), *given],
                cwd=ROOT,
                env={**os.environ, FIGURES: str(figures), "PYTHONPATH": str(ROOT)},
                check=False,
            )
            if done.returncode:
                failed.append(name)
        print_table([json.loads(line) for line in figures.read_text().splitlines()])
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def print_table(figures: list[dict[str, str]]) -> None:
    """Print the figures as Markdown, under the date and the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    print(
        f"\n{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {os.cpu_count()} cores of {processor()},"
        f" {memory:.0f} GB, Python {platform.python_version()}; load now {os.getloadavg()[0]:.1f}\n"
    )
    print("| What | Figure | Against | Aim |\n|---|---|---|---|")
    for row in figures:
        print(f"| {row['what']} | **{row['figure']}** | {row['against']} | {row['aim']} |")


def processor() -> str:
    """The name of the machine's processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


if __name__ == "__main__":
    main()
