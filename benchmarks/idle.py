"""What a daemon with one port costs while nobody comes: CPU, memory; and how long it takes to be ready.

Ready: the port is open and the broker connected, as `punchgate status` says, from exec; and the CPU time until then,
which other work on the machine does not lengthen by much. Idle is measured twice: with somebody who takes the
records, and with nobody, when one record a second is sent to find out whether somebody does.
`--starts 5 --seconds 30`: takes 75 seconds, and says nothing before.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measure import PREFIX, cpu_s, figures, rss_mib, say, site, subscriber

CPU_LIMIT_PERCENT, RSS_LIMIT_MIB, READY_LIMIT_S = 0.1, 60.0, 1.0


def main() -> int:
    arguments = _arguments()
    with site() as gateway:
        starts, work = [], []
        for _ in range(arguments.starts):
            gateway.stop()
            starts.append(gateway.start())
            work.append(cpu_s(gateway.pid))
        time.sleep(2.0)
        alone, _ = _idle(gateway.pid, arguments.seconds)
        with subscriber(gateway.broker, f"{PREFIX}/#", lambda *_: None):
            time.sleep(2.0)
            cpu, threads = _idle(gateway.pid, arguments.seconds)
        rss = rss_mib(gateway.pid)
    result = {
        "ready_s": figures(starts),
        "ready_cpu_s": figures(work),
        "cpu_percent": round(cpu, 4),
        "cpu_percent_while_nobody_subscribes": round(alone, 4),
        "rss_mib": round(rss, 1),
        "threads": threads,
        "seconds": arguments.seconds,
        "limits": {"ready_s": READY_LIMIT_S, "cpu_percent": CPU_LIMIT_PERCENT, "rss_mib": RSS_LIMIT_MIB},
    }
    line = f"idle: {cpu:.3f} % CPU ({alone:.3f} while nobody subscribes), {rss:.1f} MiB"
    ready, worked = statistics.median(starts), statistics.median(work)
    say(result, f"{line}; ready in {ready:.2f} s, of which {worked:.2f} s CPU")
    kept = cpu < CPU_LIMIT_PERCENT and rss < RSS_LIMIT_MIB and ready <= READY_LIMIT_S
    return 0 if kept else 1


def _idle(pid: int, seconds: float) -> tuple[float, int]:
    """CPU in percent over this time, and the number of threads."""
    before, begun = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    spent = cpu_s(pid) - before
    return 100 * spent / (time.monotonic() - begun), len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
