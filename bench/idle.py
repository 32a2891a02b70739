"""What the processes take when nothing happens: processor time of each, memory of the whole stack."""

import json
import subprocess
import time

import psutil

from bench._report import at_most, report
from quartet_cli.stack import CHECKOUT

SECONDS = 60.0


def parts() -> dict[str, psutil.Process]:
    printed = subprocess.run(
        [CHECKOUT / "quartet", "status", "--json"], capture_output=True, check=True
    ).stdout
    return {
        part["name"]: psutil.Process(part["pid"]) for part in json.loads(printed)["parts"] if part.get("pid")
    }


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def cpu_seconds(process: psutil.Process) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in family(process))


def pss_mib(process: psutil.Process) -> float:
    return sum(one.memory_full_info().pss for one in family(process)) / 1024**2


def main() -> None:
    processes = parts()
    supervisor = next(iter(processes.values())).parent()
    if supervisor is not None and supervisor.pid > 1:
        processes["supervisor"] = supervisor
    owners = {name: process for name, process in processes.items() if name != "supervisor"}
    before = {name: cpu_seconds(process) for name, process in owners.items()}
    began = time.monotonic()
    time.sleep(SECONDS)
    took = time.monotonic() - began
    rows = [
        {
            "part": name,
            "% of a core": round(100 * (cpu_seconds(process) - before[name]) / took, 2),
            "PSS MiB": round(pss_mib(process), 1),
            "goal": "",
        }
        for name, process in owners.items()
    ]
    if "supervisor" in processes:
        alone = processes["supervisor"].memory_full_info().pss / 1024**2
        rows.append({"part": "supervisor", "% of a core": "", "PSS MiB": round(alone, 1), "goal": ""})
    cpu = sum(row["% of a core"] for row in rows if row["% of a core"] != "")
    memory = sum(row["PSS MiB"] for row in rows)
    total = {
        "part": "sum",
        "% of a core": round(cpu, 2),
        "PSS MiB": round(memory, 1),
        "goal": at_most(memory, 1228.8),
    }
    report(
        "idle",
        f"An idle stack, watched for {SECONDS:.0f} s",
        [*rows, total],
        goal="an idle relay under 1 % of a core; all together at most 1,228.8 MiB",
    )


if __name__ == "__main__":
    main()
