"""What the worker does for the logs: it seals when it is told to, and the sweep tells it what nobody did."""

from __future__ import annotations

from procrastinate.contrib.django.models import ProcrastinateJob

from misentinel.kernel.actor import system
from misentinel.kernel.ids import new_id
from misentinel.site import jobs
from misentinel.trail.actions import PLATFORM, record
from misentinel.trail.contracts import Tag
from misentinel.trail.queries import count_unsealed, log_of, platform_log


def told_to_seal(log) -> int:
    return ProcrastinateJob.objects.filter(task_name="seal_log", args={"log": str(log)}, status="todo").count()


def test_a_log_is_sealed_whole_by_its_job_and_one_job_at_a_time_waits(acme) -> None:
    with acme.atomic():
        record(acme, system("test"), Tag.PERSON_VIEW)
    assert count_unsealed(log_of(acme))
    for _ in range(2):
        jobs.seal_soon(acme.customer_id)
    assert told_to_seal(acme.customer_id) == 1
    for log in (acme.customer_id, PLATFORM):
        jobs.seal_log(str(log))
    assert count_unsealed(log_of(acme)) == count_unsealed(platform_log()) == 0


def test_the_sweep_finds_what_a_crash_kept_from_being_told(acme) -> None:
    with acme.atomic():
        record(acme, system("test"), Tag.PERSON_VIEW)
    assert told_to_seal(acme.customer_id) == 0
    jobs.sweep(0)
    assert told_to_seal(acme.customer_id) == told_to_seal(PLATFORM) == 1


def test_a_customer_who_is_gone_hinders_nobody() -> None:
    jobs.seal_log(str(new_id()))
