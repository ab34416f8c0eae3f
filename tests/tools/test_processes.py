"""Two processes: the results in order, one thread in each; what a stopped run had done is kept."""

import pytest
import torch

from tools.processes import Kept, in_two_processes


def what_a_process_is(job: int) -> tuple[int, int]:
    return job, torch.get_num_threads()


def test_the_results_are_in_order_and_each_process_has_one_thread():
    assert in_two_processes(what_a_process_is, range(5)) == [(job, 1) for job in range(5)]


def half(job: tuple[str, int | None]) -> dict:
    if job[1] is None:
        raise RuntimeError(f"{job[0]} was stopped")
    return {"name": job[0], "half": job[1] / 2}


def test_a_stopped_run_keeps_what_was_done_and_does_it_no_second_time(tmp_path):
    folder = tmp_path / "of" / "a-run"
    jobs = [("a", 1), ("b", 2)]
    results = [{"name": "a", "half": 0.5}, {"name": "b", "half": 1.0}]
    with pytest.raises(RuntimeError, match="c was stopped"):
        in_two_processes(Kept(half, folder), [*jobs, ("c", None)])
    assert sorted(path.name for path in folder.iterdir()) == ["a-1.json", "b-2.json"]
    calls = []

    def again(job):
        calls.append(job)
        return half(job)

    assert [Kept(again, folder)(job) for job in [*jobs, ("b", 3)]] == [
        *results,
        {"name": "b", "half": 1.5},
    ]
    assert calls == [("b", 3)]


def test_what_cannot_be_written_leaves_no_result(tmp_path):
    with pytest.raises(TypeError, match="set"):
        Kept(lambda job: {1, 2}, tmp_path)(("a",))
    assert list(tmp_path.iterdir()) == []
