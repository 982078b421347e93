"""Who carries the runs out: this process, one after the other, or the workers of dask.distributed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rftools.errors import RequestError, missing_package, one_line
from rftools.study.run import Record, Run, carry_out, failed

if TYPE_CHECKING:
    from distributed import Client

OPTIONS = {"distributed.worker.daemon": False, "distributed.scheduler.allowed-failures": 3}
ENVIRON = "distributed.nanny.pre-spawn-environ"  # what workers begin with
PATIENCE = 10  # seconds until a cluster that does not answer is given up


@dataclass(frozen=True)
class Workers:
    """How runs are spread: ``count`` processes here, or those of the scheduler at ``cluster``. Where there are GPUs
    ``per_device`` processes share each, and the runs take them in turn.
    """

    count: int = 1
    cluster: str | None = None
    per_device: int = 1

    def on(self, gpus: int) -> Workers:
        """The same, with a process for each share of each GPU.

        >>> Workers(per_device=3).on(gpus=2).count
        6
        """
        return replace(self, count=max(self.count, gpus * self.per_device))


def placed(runs: Sequence[Run], gpus: int) -> list[Run]:
    """Runs that may run anywhere, each on its GPU in turn."""
    return [replace(run, device=f"cuda:{k % gpus}") if run.device == "auto" else run for k, run in enumerate(runs)]


@dataclass(frozen=True)
class Stage:
    """How far a study is: runs done of all, the last of them, and how many seconds are left by what they took."""

    done: int
    total: int
    last: Record
    left: float


Told = Callable[[Stage], None]


def carry_out_all(runs: Sequence[Run], folder: Path, workers: Workers, told: Told | None = None) -> list[Record]:
    """The results of all runs, in their order, however they were spread.

    Raises:
        RequestError: dask.distributed is not installed, or its scheduler does not answer.
    """
    found: dict[int, Record] = {}
    if gpus := torch.cuda.device_count() if any(run.device == "auto" for run in runs) else 0:
        runs, workers = placed(runs, gpus), workers.on(gpus)
    begin = time.monotonic()
    alone = workers.count == 1 and workers.cluster is None
    for place, record in _alone(runs, folder) if alone else _spread(runs, folder, workers):
        found[place] = record
        if told is not None:
            left = (time.monotonic() - begin) / len(found) * (len(runs) - len(found))
            told(Stage(len(found), len(runs), record, left))
    return [found[place] for place in range(len(runs))]


def _alone(runs: Sequence[Run], folder: Path) -> Iterator[tuple[int, Record]]:
    for place, run in enumerate(runs):
        yield place, carry_out(run, folder)


def _spread(runs: Sequence[Run], folder: Path, workers: Workers) -> Iterator[tuple[int, Record]]:
    """As they are done. A run whose workers were lost again and again is a result with its reason."""
    with _client(workers) as client:
        from distributed import as_completed

        futures = {
            client.submit(carry_out, run, str(folder.resolve()), key=f"{run.name}-{run.key}", pure=False): place
            for place, run in enumerate(runs)
        }
        for future in as_completed(futures):
            place = futures[future]
            try:
                yield place, future.result()
            except Exception as error:  # of dask, whose kinds are many: a worker that is gone for good, above all
                reason = one_line(str(error)) or type(error).__name__
                yield place, failed(runs[place], reason)


def _without_trimming(environ: Mapping[str, Any]) -> dict[str, Any]:
    """dask has workers give freed memory back at once, of which training takes the same again at every step.

    >>> _without_trimming({"MALLOC_TRIM_THRESHOLD_": 65536, "OMP_NUM_THREADS": 1})
    {'OMP_NUM_THREADS': 1}
    """
    return {name: value for name, value in environ.items() if not name.startswith("MALLOC_")}


@contextmanager
def _client(workers: Workers) -> Iterator[Client]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise missing_package("distributed", "study", "several workers") from None
    with dask.config.set({**OPTIONS, ENVIRON: _without_trimming(dask.config.get(ENVIRON, {}))}):
        if workers.cluster is not None:
            try:
                client = Client(workers.cluster, timeout=PATIENCE)
            except (OSError, TimeoutError, ValueError) as error:
                raise RequestError(
                    f"no scheduler answers at {workers.cluster} ({one_line(str(error))}); start one with `dask "
                    "scheduler`, or take --workers N"
                ) from None
            with client:
                yield client
            return
        options: dict[str, Any] = {"n_workers": workers.count, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(**options, silence_logs=50) as cluster, Client(cluster) as client:
            yield client
