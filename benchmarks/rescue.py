"""Workers and runs are killed and frozen, each fault several times: how soon does every job end, and how?

One worker that lives rescues the jobs of five that do not; with more, it would only be sooner.
"""

import argparse
from collections import defaultdict

from benchmarks.exporting import stack_of_its_own
from benchmarks.outcome import last_line, middle, say, table
from tests.support.extra_processes import extra_processes
from tests.support.worker_faults import FAULTS, Cluster, RecoveredJob, cluster_on, inject_faults


def in_rounds(cluster: Cluster, times: int) -> dict[str, list[RecoveredJob]]:
    found = defaultdict(list)
    for number in range(times):
        outcome = inject_faults(cluster)
        outcome.rescuer.kill()
        for fault, struck in outcome.jobs.items():
            found[fault].append(struck)
        slowest = max(each.recovery_seconds for each in outcome.jobs.values())
        say(f"round {number + 1} of {times}: {slowest:.0f} s")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rescue", description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="each about a minute")
    times = parser.parse_args().times
    with (
        stack_of_its_own() as stack,
        extra_processes(stack) as others,
        stack.prefect_client() as prefect,
        cluster_on(stack, others, prefect) as cluster,
    ):
        found = in_rounds(cluster, times)
        rows, lost, wrong = [], 0, 0
        for fault in FAULTS:
            seconds = [each.recovery_seconds for each in found[fault]]
            done = [each.job for each in found[fault] if each.job["status"] == "done"]
            files = [len(cluster.objects(job["id"])) for job in done]
            whole = sum(
                1 for job, number in zip(done, files, strict=True) if number == 1 and cluster.is_whole(job)
            )
            lost += times - len(done)
            wrong += len(done) - whole
            rows.append(
                (fault, times, middle(seconds), max(seconds), times - len(done), sum(files) / len(done))
            )
    table(("fault", "times", "p50 s", "max s", "lost", "files per job"), rows)
    longest = max(row[3] for row in rows)
    last_line(
        benchmark="rescue", times=times, max_seconds=round(longest, 1), lost=lost, not_one_whole_file=wrong
    )


if __name__ == "__main__":
    main()
