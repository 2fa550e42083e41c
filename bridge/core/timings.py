"""Durations of the bridge's processes: leases, heartbeats, polls, time limits and caches.

They are one record, so that tests pass another one. `Settings.timings` holds it, and each part gets
it, or one duration of it, from its caller. No environment variable changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Durations in seconds. A name ending in `_per_second` is a rate."""

    # The worker: leases, polls and its end.
    lease_seconds: float = 10.0  # of deliveries and local runs; the heartbeat extends it
    heartbeat_seconds: float = 3.0
    idle_poll_seconds: float = 0.2  # between two polls of the queue without a wake-up
    #: The same if nothing is due soon, and wake-ups of other machines arrive.
    quiet_poll_seconds: float = 1.0
    pool_growth_seconds: float = 0.005  # between two checks whether calls wait for a thread
    drain_seconds: float = 7.0  # for calls in flight after SIGTERM
    #: For calls in flight after another process has taken over.
    handover_drain_seconds: float = 120.0
    worker_missing_seconds: float = 15.0  # after its last heartbeat a worker counts as gone
    host_clock_fresh_seconds: float = 3600.0  # for which the clock of another host is remembered
    #: For which an uploaded file is assumed to exist on the platform.
    uploaded_file_fresh_seconds: float = 3600.0
    #: Without leases after the broker has failed: the first time, the second, and so on.
    broker_backoff_seconds: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 30.0)

    # Maintenance jobs.
    first_job_delay_seconds: float = 300.0  # from the start of a worker
    job_rest_seconds: float = 0.02  # at least, after each batch
    orphan_blob_seconds: float = 86400.0  # after which a blob without an owner is deleted

    # Operations over the admin API.
    proposal_seconds: float = 600.0  # for which a proposed operation may be agreed to
    selection_seconds: float = 10.0  # for the search for the items of an operation
    #: After which an operation that has not stored all its items was interrupted.
    selection_stored_seconds: float = 60.0

    # Trials over the admin API.
    trial_seconds: float = 120.0  # for one trial, which has a low priority
    playground_seconds: float = 20.0  # for one trial or check that a request waits for
    trial_result_seconds: float = 3600.0  # for which the result of a trial is stored

    # Lists, event types and shadow routes over the admin API.
    list_page_seconds: float = 0.03  # for which rows are looked at for one page of a list
    type_search_seconds: float = 5.0  # for a count of types, and for a schema
    #: For which events are looked for, and then compared, for one page of a shadow route.
    shadow_page_seconds: float = 0.25

    # Calls whose outcome is unknown, and platforms that fail.
    reconcile_first_seconds: float = 5.0  # until the next search for the run of a start; it grows
    reconcile_max_seconds: float = 600.0
    #: Until the second search, if the first found no candidate.
    reconcile_confirm_seconds: float = 30.0
    circuit_open_first_seconds: float = 10.0
    circuit_open_max_seconds: float = 300.0
    allowance_raise_first_seconds: float = 0.5  # until one more run is tried after the first 429

    # The store.
    store_close_seconds: float = 10.0  # for which closing waits for commits under way
    lock_watch_seconds: float = 1.0  # between two checks of the holder of SQLite's lock
    shared_commit_lock_seconds: float = 0.1  # for which a shared commit waits for a lock
    #: After which PostgreSQL ends the session of a leader that hangs; longer than between two
    #: maintenance jobs.
    leader_idle_seconds: float = 30.0
    #: After which PostgreSQL ends a transaction that does nothing; not more than a lease.
    idle_transaction_seconds: float = 10.0
    #: For which a migration waits for a lock, and others behind it.
    migration_lock_seconds: float = 1.0
    migration_retry_seconds: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 4.0)
    migration_limit_seconds: float = 600.0

    # Receivers.
    #: After which a commit on SQLite is tried again while another process commits.
    commit_retry_seconds: float = 0.001
    #: After a commit on PostgreSQL, for which the next one waits for more events to share it.
    commit_pause_seconds: float = 0.004
    request_head_seconds: float = 5.0  # from the first byte of a request to the end of its head
    #: For which a body may be behind the least speed: at its begin, and later at most.
    request_body_seconds: float = 5.0
    request_bytes_per_second: float = 8 * 1024
    #: From a whole webhook to its answer; then the connection is closed without one.
    request_answer_seconds: float = 60.0
    #: For which a large body that is not proven waits until fewer are verified; then it is refused.
    unproven_wait_seconds: float = 8.0
    answer_stall_seconds: float = 30.0  # after which a client that reads nothing is disconnected
    last_request_seconds: float = (
        1.0  # for which a silent connection stays open when a receiver ends
    )
    #: After the last request to the console or the admin API, until their process ends.
    restart_idle_seconds: float = 300.0
    #: After its last heartbeat, until the process of the console is killed.
    console_stall_seconds: float = 15.0
    ready_cache_seconds: float = 1.0
    overview_cache_seconds: float = 2.0  # for the resources of the admin API
    not_ready_cache_seconds: float = 0.1
    # from the first refused submission that is counted until the counts are written
    refusals_write_seconds: float = 1.0
    refusals_retry_seconds: float = 30.0  # until the next try where the store was not writable

    # Processes and configuration.
    stop_seconds: float = 10.0  # between SIGTERM and SIGKILL
    worker_stop_lead_seconds: float = 7.5  # for which the worker ends before the receivers do
    flow_stop_seconds: float = 2.0  # between SIGTERM and SIGKILL of a flow
    probe_answer_seconds: float = 10.0  # for an answer of /readyz to the watchdog
    probe_start_seconds: float = 0.1  # between two probes of the watchdog until the bridge is ready
    probe_interval_seconds: float = 10.0  # the same once the bridge is ready
    worker_stuck_seconds: float = 60.0  # after which the watchdog considers a silent worker stuck
    config_poll_seconds: float = 1.0  # between two checks of the configuration's files
    config_quiet_seconds: float = 0.5  # for which the files stay unchanged before they are used
    config_read_seconds: float = 60.0  # for a read or a check of them; then its process is killed
    config_retry_seconds: float = 5.0

    # Monitoring.
    alert_check_seconds: float = 30.0
    #: For which a condition is absent before its alert is resolved.
    alert_resolve_seconds: float = 300.0
    #: By condition: how long it lasts before it is notified, instead of the value in `CONDITIONS`.
    alert_hold_seconds: Mapping[str, float] = field(default_factory=dict)
    certificate_check_seconds: float = 6 * 3600.0
    certificate_step_seconds: float = 10.0  # for each step of a check
    counter_write_seconds: float = 1.0  # between two writes of a process's counters
    metrics_cache_seconds: float = 2.0
    metrics_bind_retry_seconds: float = 5.0

    # Outgoing connections, and helpers.
    connection_idle_seconds: float = 4.0  # after which an idle HTTP connection is not used again
    preview_seconds: float = 20.0  # for the picture of one file
    run_poll_max_seconds: float = 2.0  # between two polls of a run that a command waits for
    #: Between two polls of an operation or a trial on another machine's bridge.
    server_poll_seconds: float = 0.3
    erase_poll_seconds: float = 1.0  # between two checks for blobs that arrived during `erase`


#: The durations of a running bridge.
TIMINGS = Timings()
