"""The places where the package names a command in an advice, and what acts each out.

A place is a call of `name_command`: its module, its function and the words of the command, `*` for
a module's own level and for words that a table has. `tests/project/test_advised_commands.py` fails
where a place has no row.
"""

from __future__ import annotations

from typing import Final

PRINTED: Final = "cli/test_printed_advice.py"
CONDITION: Final = f"{PRINTED}::test_advised_commands_end_the_advice"
STEP: Final = f"{PRINTED}::test_the_next_steps_of_a_delivery_end_them"
DECISION: Final = f"{PRINTED}::test_a_decision_ends_its_advice"
ERRORS: Final = "cli/test_advice_of_errors.py"
SPAM: Final = f"{PRINTED}::test_spam_is_released_as_advised"
WAIT: Final = f"{PRINTED}::test_the_commands_of_a_wait_reason_end_the_wait"
SHOWN: Final = f"{PRINTED}::test_a_command_that_only_shows_says_what_the_advice_promises"

#: The test that runs the command in a situation that prints it.
ACTED_OUT: Final = {
    "cli/commands/causes:_find_failed_runs events": (
        "services/test_dead_causes.py::test_without_dead_deliveries_failed_runs_are_named"
    ),
    "cli/actions/run:OutcomePrinter.stop operations resume": (
        "cli/test_cli_operations.py::test_a_full_disk_stops_an_act_which_goes_on_once_there_is_room"
    ),
    "delivery/next_steps:_repeat_by_route.name *": CONDITION,
    "delivery/next_steps:_replay replay": STEP,
    "delivery/next_steps:_resolve resolve": DECISION,
    "delivery/next_steps:_retry retry": STEP,
    "delivery/next_steps:find_steps cancel": (
        f"{PRINTED}::test_a_cancel_releases_the_deliveries_behind_it"
    ),
    "delivery/wait_reasons:_hold_wait db release": WAIT,
    "delivery/wait_reasons:_missing_flow cancel": WAIT,
    "delivery/wait_reasons:_missing_flow replay": WAIT,
    "delivery/wait_reasons:_unknown_wait resolve": DECISION,
    "monitoring/checks/configuration:find_changed_flows check": (
        f"{PRINTED}::test_a_changed_flow_is_accepted_as_advised"
    ),
    "monitoring/checks/configuration:find_missing_flows cancel": CONDITION,
    "monitoring/checks/configuration:find_missing_flows check": CONDITION,
    "monitoring/checks/configuration:find_missing_flows replay": CONDITION,
    "monitoring/checks/configuration:find_unusable_config check": CONDITION,
    "monitoring/checks/deliveries:find_dead deliveries": CONDITION,
    "monitoring/checks/deliveries:find_failing_runs deliveries": SHOWN,
    "monitoring/checks/deliveries:find_failing_runs show": CONDITION,
    "monitoring/checks/deliveries:find_held_starts db release": CONDITION,
    "monitoring/checks/deliveries:find_late_queues show": SHOWN,
    "monitoring/checks/deliveries:find_late_starts cancel": CONDITION,
    "monitoring/checks/deliveries:find_late_starts show": CONDITION,
    "monitoring/checks/deliveries:find_missing_platforms cancel": CONDITION,
    "monitoring/checks/deliveries:find_missing_platforms deliveries": (
        f"{PRINTED}::test_an_advised_cancel_spares_deliveries_of_another_platform"
    ),
    "monitoring/checks/machine:find_clock_skew deliveries": SHOWN,
    "monitoring/checks/machine:find_missed_backups db backup": CONDITION,
    "monitoring/checks/platforms:find_full_platforms show": SHOWN,
    "monitoring/checks/sources:_advise_on_secret rejects": CONDITION,
    "monitoring/checks/sources:_advise_on_secret rejects readmit": CONDITION,
    "monitoring/checks/sources:find_full_days events": SHOWN,
    "monitoring/conditions:find_notes alerts": f"{PRINTED}::test_the_help_of_alerts_shows_a_route",
    "monitoring/conditions:find_notes events": (
        "cli/test_advice_on_late_ends.py"
        "::test_the_note_on_failed_runs_lists_the_events_that_it_counts"
    ),
    "monitoring/refused_submissions:find_spam_step spam": SPAM,
    "services/config_checks/report:_check_alerts alerts": (
        f"{ERRORS}::test_the_help_of_alerts_is_named_until_a_route_subscribes"
    ),
    "services/config_checks/report:_check_database db upgrade": (
        f"{ERRORS}::test_a_database_without_a_schema_is_upgraded"
    ),
    "services/config_checks/report:check_project init": (
        f"{ERRORS}::test_a_folder_without_routes_gets_some"
    ),
    "services/events/event_steps:* alerts": f"{PRINTED}::test_an_alert_without_a_route_leads_to_a_route",
    "services/events/event_steps:find_file_step show": (
        "cli/test_cli_saving.py::test_files_are_written_and_nothing_is_written_over"
    ),
    "services/events/event_steps:find_spam_step spam release": SPAM,
    "services/events/event_steps:find_unmatched_step replay": (
        f"{PRINTED}::test_an_event_without_a_route_is_planned_again_as_advised"
    ),
    "services/platforms/flow_lock:read_lock check": (
        f"{ERRORS}::test_a_broken_lock_is_written_again"
    ),
    "services/rejects:describe_next_step rejects readmit": CONDITION,
    "services/explain/route_reasons:* check": (
        f"{ERRORS}::test_reasons_are_known_once_check_is_content"
    ),
    "services/explain/route_reasons:_unmatched replay": (
        f"{ERRORS}::test_an_event_that_matches_now_is_planned_again"
    ),
    "services/selection:_deliveries_of show": (
        f"{ERRORS}::test_an_event_without_deliveries_is_shown_with_the_reason"
    ),
    "services/unknown/unknown_deliveries:UnknownDelivery.commands resolve": DECISION,
    "services/unknown/unknown_deliveries:UnknownDelivery.place_to_look flows runs": (
        f"{PRINTED}::test_the_runs_of_an_unknown_delivery_are_listed_as_advised"
    ),
    "store/operations/actions:spam_problem spam release": (
        f"{ERRORS}::test_a_retry_of_spam_works_after_the_release"
    ),
    "store/tables/schema:describe_other_schema db upgrade": (
        f"{ERRORS}::test_a_database_without_a_schema_is_upgraded"
    ),
}
#: Why no test acts it out.
BY_HAND: Final = {
    "cli/actions/run:follow_operation operations resume": "the same command as where it stops",
    "cli/commands/operations:_print_act operations resume": "the same command as where it stops",
    "cli/bridge/local_transport:LocalTransport.explain_empty sample": "needs a bridge that is served",
    "cli/bridge/local_transport:LocalTransport.explain_empty serve": "starts processes",
    "cli/remote/client:AdminClient.__init__ login": "a person enters a token",
    "cli/remote/connection:find_token login": "a person enters a token",
    "cli/remote/connection:open_admin_client login": "a person enters a token",
    "cli/remote/operations:_wait_for_items operations resume": "the same command as without --server",
    "cli/remote/operations:_wait_for_items status": "starts processes",
    "cli/ui/event_view:print_delivery show": "only shows the event",
    "cli/ui/unknown_view:show_unknown resolve": "a person decides, and names a route",
    "core/scopes:suggest_token token add": "a person names the token, and logs in with it",
    "delivery/obstacles:* serve": "starts processes",
    "delivery/obstacles:* work": "starts processes",
    "delivery/reconcile_verdict:_advice resolve": "a person looks at the platform",
    "delivery/wait_reasons:_missing_flow status": "only shows; `status` has the next step",
    "monitoring/alerts:_flood alerts": "only shows; the flood ends by itself",
    "monitoring/alerts:_flood status": "only shows; the flood ends by itself",
    "monitoring/checks/certificate:* doctor": "a person renews the certificate",
    "monitoring/checks/configuration:find_held_config test": "a person restarts the bridge",
    "monitoring/checks/configuration:find_unusable_flows check": "a person corrects flows.py",
    "monitoring/checks/processes:find_no_receiver web": "starts processes",
    "monitoring/checks/processes:find_no_worker work": "starts processes",
    "monitoring/checks/processes:find_nothing_running serve": "starts processes",
    "monitoring/refused_submissions:* check": "a person sets a value in .env",
    "monitoring/refused_submissions:* doctor": "a person repairs the store",
    "services/bridge_calls:explain_lost serve": "starts processes",
    "services/bridge_checks/examination:Examination._reach doctor": "a person corrects the URL",
    "services/bridge_checks/examination:Examination._replayed sample": "needs a bridge that is served",
    "services/events/event_details:find_record events": "only shows how to send an event",
    "services/unknown/named_runs:_check_run resolve": "only shows what is known of the run",
    "services/operations/control:resume_stopped operations resume": "an operation of the command line",
    "services/samples/answers:_explain_outcome show": "only shows the event",
    "services/samples/answers:_explain_outcome spam release": "the same command as `show` names",
    "services/samples/answers:_explain_refusal add": "a person sets up the sender",
    "services/samples/answers:_explain_refusal check": "a person sets a value in .env",
    "services/samples/answers:_explain_refusal rejects": "only shows why a request was refused",
    "services/samples/answers:_explain_refusal status": "only shows; `status` has the next step",
    "store/operations/checkup:_disk_problems db prune": "a person makes room",
    "store/operations/checkup:_file_notes db vacuum": "needs a large file",
    "store/queue/unknown_starts:find_run_conflict show": "only shows the other delivery",
    "store/tables/key_usage:check_keys db check": "a person adds a key",
    "store/tables/key_usage:find_rekey_notes db rekey": "`tests/store/test_rekey.py` runs it",
    "web/console/sample_commands:list_sample_commands sample": "needs a bridge that is served",
    "web/console/sample_commands:suggest_first_step add": "needs a person at the sender",
    "web/console/sample_commands:suggest_first_step check": "a person sets a value in .env",
    "web/console/views/sources:_suggest_addition add": "`tests/e2e/test_combination.py` runs it",
}
