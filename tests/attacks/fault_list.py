"""The faults a release has to survive: what happens, what must come of it, and which tests show it.

`python -m tests.attacks.fault_list` prints the table. A row without a test says why it has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.attacks.attack_list import defined


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    what: str
    outcome: str
    tests: tuple[str, ...]
    open: str = ""
    """What no test shows, and why."""


FAULTS = {
    1: Fault(
        what="kill -9 before the intent is committed",
        outcome="nothing happened; the same command may be sent again",
        tests=("test_an_advance_needs_an_engineer_and_the_next_share", "test_failing_block_leaves_no_entry"),
    ),
    2: Fault(
        what="kill -9 after the intent, before traffic",
        outcome="carried out by the next worker",
        tests=("test_a_release_killed_at_any_step_is_completed_exactly_once",),
    ),
    3: Fault(
        what="kill -9 after traffic, before it is verified",
        outcome="carried out, no second change",
        tests=("test_a_release_killed_at_any_step_is_completed_exactly_once",),
    ),
    4: Fault(
        what="kill -9 after it is verified, before the alias",
        outcome="carried out",
        tests=("test_a_release_killed_at_any_step_is_completed_exactly_once",),
    ),
    5: Fault(
        what="kill -9 after the alias, before it is recorded",
        outcome="carried out, times kept",
        tests=("test_a_release_killed_at_any_step_is_completed_exactly_once",),
    ),
    6: Fault(
        what="kill -9 at random moments, sixty times",
        outcome="each action once, the ledger whole",
        tests=("test_killed_at_random_moments_again_and_again_nothing_ends_wrong",),
    ),
    7: Fault(
        what="the page's process dies right after the click",
        outcome="the worker finishes",
        tests=("test_a_click_whose_page_died_is_carried_out_by_the_worker",),
    ),
    8: Fault(
        what="two engineers click at once",
        outcome="one change, the second joins the first",
        tests=(
            "test_two_engineers_and_the_machine_at_once_make_exactly_one_change",
            "test_a_second_rollback_joins_the_first",
        ),
    ),
    9: Fault(
        what="the machine acts while an engineer clicks",
        outcome="one change",
        tests=("test_two_engineers_and_the_machine_at_once_make_exactly_one_change",),
    ),
    10: Fault(
        what="rollback during a promotion, at each step",
        outcome="the promotion is superseded, its late writes are fenced",
        tests=(
            "test_a_promotion_frozen_at_any_step_does_not_undo_a_rollback_when_it_wakes",
            "test_a_release_killed_half_way_gives_way_to_a_rollback",
            "test_a_rollback_supersedes_a_release_in_the_queue",
        ),
    ),
    11: Fault(
        what="a stale worker goes on at its alias write",
        outcome="the alias is put right at once",
        tests=("test_a_promotion_frozen_at_any_step_does_not_undo_a_rollback_when_it_wakes",),
    ),
    12: Fault(
        what="two workers, the leader frozen and woken (SIGSTOP, SIGCONT)",
        outcome="one effect; the lease moves on and stays there",
        tests=(
            "test_a_worker_frozen_at_any_step_and_woken_later_adds_no_second_effect",
            "test_a_frozen_leader_loses_its_turn_and_waits_when_it_wakes_up",
            "test_a_killed_leader_is_followed_within_its_lease_and_the_gap_is_told",
        ),
    ),
    13: Fault(
        what="the endpoint refuses the update",
        outcome="tried again, nothing lost, people are told",
        tests=(
            "test_with_the_platform_away_a_rollback_waits_and_is_done_when_it_is_back",
            "test_a_failed_switch_leaves_what_served_and_can_be_sent_again",
        ),
    ),
    14: Fault(
        what="the endpoint is stuck in an update or not ready",
        outcome="the intent is kept and sent when it is free",
        tests=(
            "test_a_rollback_while_an_update_runs_waits_and_is_sent_when_the_endpoint_is_free",
            "test_a_release_that_keeps_loading_is_tried_again_and_later_given_up",
        ),
    ),
    15: Fault(
        what="the endpoint's process dies during a rollback",
        outcome="done after its restart",
        tests=(
            "test_with_the_platform_away_a_rollback_waits_and_is_done_when_it_is_back",
            "test_a_crashed_endpoint_comes_back_and_connections_wait_instead_of_being_refused",
        ),
    ),
    16: Fault(
        what="the candidate's process crashes",
        outcome="callers fail over and are counted; the candidate is rolled back",
        tests=(
            "test_a_dead_version_fails_over_is_counted_and_comes_back",
            "test_a_breach_is_rolled_back_in_the_same_look_with_rule_value_and_incident",
        ),
    ),
    17: Fault(
        what="the live version's process crashes during the canary",
        outcome="started again; the release is held and the candidate never promoted for it; a fallback is suggested "
        "when neither version answers",
        tests=(
            "test_a_live_version_that_dies_in_the_canary_holds_the_release_and_promotes_nobody",
            "test_batch_only_is_suggested_when_neither_version_answers_and_not_before",
            "test_a_dead_version_fails_over_is_counted_and_comes_back",
            "test_an_outage_of_both_versions_holds_the_release_and_calls_people",
        ),
    ),
    18: Fault(
        what="the registry is away",
        outcome="traffic goes back, the alias follows, new releases wait",
        tests=("test_with_the_registry_away_traffic_goes_back_and_the_alias_follows_later",),
    ),
    19: Fault(
        what="the database is locked, or cannot be reached",
        outcome="waits; then a clean message and a safe retry. Traffic can be sent back without it to a version that "
        "was approved and served; it is journalled and entered later as unsigned",
        tests=(
            "test_hanging_lock_holder_gives_a_clean_message_and_a_safe_retry",
            "test_unreachable_databases_are_reported_calmly",
            "test_without_the_database_traffic_goes_back_and_is_entered_once_and_stands_as_unsigned",
            "test_an_order_that_waited_through_the_outage_does_not_move_traffic_forward_again",
            "test_a_journal_that_was_changed_is_told_and_what_can_be_read_is_entered",
        ),
    ),
    20: Fault(
        what="there is no version before",
        outcome="no automatic rollback is promised; the fallback of the model stands in",
        tests=(
            "test_a_rollback_with_no_version_before_is_refused_and_names_the_fallback",
            "test_a_first_version_has_no_way_back_and_says_so",
            "test_without_anything_to_go_back_to_no_plan_is_asked_for",
        ),
    ),
    21: Fault(
        what="the alias is moved by hand",
        outcome="a finding, reverted with a signature",
        tests=("test_alias_moved_outside_later_is_told_with_what_was_signed_and_reverted",),
    ),
    22: Fault(
        what="traffic is moved by hand",
        outcome="a finding, the release is held, a rollback still works",
        tests=("test_traffic_moved_by_hand_holds_the_release_and_a_rollback_still_works",),
    ),
    23: Fault(
        what="routes that sum to 101, are negative, or name a stranger",
        outcome="refused",
        tests=("test_impossible_routes_are_refused", "test_only_whole_percents_that_sum_to_one_hundred_are_routes"),
    ),
    24: Fault(
        what="telemetry stops",
        outcome="held at two minutes, drained at ten",
        tests=("test_telemetry_that_stops_holds_after_two_minutes_and_drains_after_ten",),
    ),
    25: Fault(
        what="telemetry is there and old",
        outcome="the same",
        tests=("test_old_telemetry_that_is_still_there_is_silence",),
    ),
    26: Fault(
        what="the canary gets no request",
        outcome="no data, never zero errors",
        tests=("test_no_request_where_some_were_expected_is_no_data_and_not_zero_errors",),
    ),
    27: Fault(
        what="the clock jumps by an hour or a day",
        outcome="no traffic moves, nobody is locked out by a lease of tomorrow",
        tests=(
            "test_a_clock_that_jumps_moves_no_traffic",
            "test_a_clock_that_jumps_is_no_silence",
            "test_a_lease_written_by_a_clock_that_was_a_day_ahead_holds_nobody_up",
        ),
    ),
    28: Fault(
        what="one broken caller in the canary",
        outcome="no rollback",
        tests=("test_one_broken_client_does_not_roll_a_release_back",),
    ),
    29: Fault(
        what="the canary is cold",
        outcome="no rollback",
        tests=("test_the_first_minute_of_a_canary_is_left_out",),
    ),
    30: Fault(
        what="a slow or crashing shadow",
        outcome="no caller waits, dropped copies are counted",
        tests=("test_a_slow_mirror_is_logged_apart_and_delays_nobody",),
    ),
    31: Fault(
        what="bad, good, bad",
        outcome="one rollback; a latch and a cool-down",
        tests=(
            "test_flapping_is_one_rollback_and_nothing_moves_forward_again",
            "test_the_machine_acts_once_per_release_and_calls_somebody_the_second_time",
            "test_the_cool_down_ends_after_half_an_hour_and_a_clock_set_back_starts_none",
        ),
    ),
    32: Fault(
        what="rollback during a freeze",
        outcome="allowed and recorded",
        tests=("test_a_freeze_holds_the_share_and_a_breach_inside_it_is_rolled_back_and_recorded",),
    ),
    33: Fault(
        what="a step forward during a freeze",
        outcome="refused with the window's name",
        tests=(
            "test_nothing_goes_forward_in_a_freeze_or_without_monitors",
            "test_a_freeze_that_begins_while_a_form_is_open_stops_the_signature_and_is_recorded",
        ),
    ),
    34: Fault(
        what="a forged, replayed or expired signature, or one of the wrong role",
        outcome="refused and recorded",
        tests=(
            "test_a_changed_queue_row_does_not_move_traffic",
            "test_an_advance_is_refused_when_the_approval_expired_and_a_rollback_is_not",
            "test_a_rollback_needs_role_reason_and_the_name_typed",
            "test_the_role_counts_at_the_moment_of_signing",
        ),
    ),
    35: Fault(
        what="approval by the author",
        outcome="refused",
        tests=("test_the_requester_never_decides_and_the_attempt_is_recorded",),
    ),
    36: Fault(
        what="a monitor is removed during the canary",
        outcome="held",
        tests=("test_a_monitor_that_is_removed_during_the_canary_holds_it",),
    ),
    37: Fault(
        what="the policy is edited during a release",
        outcome="the release keeps the policy it was asked under",
        tests=("test_a_request_stays_under_the_policy_it_was_asked_under",),
    ),
    38: Fault(
        what="an entry of the ledger is edited",
        outcome="found; nothing goes forward, a rollback still works",
        tests=(
            "test_with_an_edited_entry_nothing_goes_forward_and_a_rollback_still_works",
            "test_with_the_protection_of_the_ledger_gone_nobody_decides_and_a_rollback_still_works",
            "test_triggers_dropped_for_an_edit_and_put_back_are_found_by_verifying",
        ),
    ),
    39: Fault(
        what="connections that are kept open during a switch",
        outcome="no request fails",
        tests=("test_fifty_requests_a_second_lose_nothing_while_traffic_is_switched",),
    ),
    40: Fault(
        what="a monitor is loosened without a signature before a release starts",
        outcome="the release does not start; the page says what is missing",
        tests=("test_no_release_rests_on_a_monitor_that_nobody_signed_or_that_names_no_money",),
    ),
}


def unknown() -> list[str]:
    """Names in the list that no test has."""
    known = defined()
    return [name for fault in FAULTS.values() for name in fault.tests if name not in known]


if __name__ == "__main__":
    names = defined()
    for number, fault in FAULTS.items():
        print(f"{number:>2}  {fault.what}\n    {fault.outcome}")
        for name in fault.tests:
            print(f"      {', '.join(names.get(name, (f'MISSING {name}',)))}")
        if fault.open:
            print(f"      open: {fault.open}")
