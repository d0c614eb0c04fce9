"""Measure how long it takes to recover jobs after their worker or process is killed or frozen.

One healthy worker rescues the jobs of five others. Additional healthy workers could only speed up recovery.
"""

import argparse
from collections import defaultdict
from statistics import median

from benchmarks.outcome import print_line, print_result, print_table
from tests.support.running_stack import temporary_stack
from tests.support.worker_faults import FAULTS, Cluster, RecoveredJob, cluster_on, inject_faults


def run_rounds(cluster: Cluster, times: int) -> dict[str, list[RecoveredJob]]:
    recovered = defaultdict(list)
    for number in range(times):
        outcome = inject_faults(cluster, {})
        outcome.rescuer.kill()
        for fault, job in outcome.jobs.items():
            recovered[fault].append(job)
        slowest = max(job.recovery_seconds for job in outcome.jobs.values())
        print_line(f"round {number + 1} of {times}: {slowest:.0f} s")
    return recovered


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rescue", description=__doc__)
    parser.add_argument(
        "--times", type=int, default=10, help="number of rounds, about a minute each (default: %(default)s)"
    )
    times = parser.parse_args().times
    with (
        temporary_stack() as stack,
        stack.prefect_client() as prefect,
        cluster_on(stack, prefect) as cluster,
    ):
        recovered = run_rounds(cluster, times)
        rows, lost, wrong = [], 0, 0
        for fault in FAULTS:
            seconds = [result.recovery_seconds for result in recovered[fault]]
            done = [result.job for result in recovered[fault] if result.job["status"] == "done"]
            files = [len(cluster.objects(job["id"])) for job in done]
            whole = sum(
                1 for job, number in zip(done, files, strict=True) if number == 1 and cluster.is_whole(job)
            )
            lost += times - len(done)
            wrong += len(done) - whole
            rows.append(
                (fault, times, median(seconds), max(seconds), times - len(done), sum(files) / len(done))
            )
    print_table(("fault", "times", "p50 s", "max s", "lost", "files per job"), rows)
    longest = max(row[3] for row in rows)
    print_result(
        benchmark="rescue", times=times, max_seconds=round(longest, 1), lost=lost, not_one_whole_file=wrong
    )


if __name__ == "__main__":
    main()
