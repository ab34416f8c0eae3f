"""Two processes: the results in order, one thread in each."""

import torch

from tools.processes import in_two_processes


def what_a_process_is(job: int) -> tuple[int, int]:
    return job, torch.get_num_threads()


def test_the_results_are_in_order_and_each_process_has_one_thread():
    assert in_two_processes(what_a_process_is, range(5)) == [(job, 1) for job in range(5)]
