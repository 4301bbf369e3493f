"""The list of attacks and faults the product has to withstand, and which tests try each.

A test names its row in its docstring: "Attack 13", "Row 13", "Attack 45 and attack 54". Tests whose docstring does not
are named below by their function. `python -m tests.attacks.attack_list` prints the table.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
_MENTIONED = re.compile(r"\b(?:attack|row)\s+(\d{1,2})\b", re.IGNORECASE)

ROWS = {
    1: "evaluation report changed after the review page was opened",
    2: "artifact overwritten after approval, before the alias moves",
    3: "model deleted and made again under the same number",
    4: "alias moved outside between request and signature",
    5: "alias moved outside after the action was queued",
    6: "alias moved outside a week later",
    7: "policy edited between request and action",
    8: "double click, Enter held, two tabs",
    9: "challenge used twice, late, or by another person",
    10: "two approvers at the same instant",
    11: "expired request, approval past its lifetime",
    12: "approval withdrawn after the action",
    13: "own request approved, also through a second account",
    14: "requester as administrator enrols the key of a friend",
    15: "signature copied to another version, request, environment",
    16: "page shows one version, form posts another",
    17: "application framed by another site",
    18: "identity header sent straight to the port",
    19: "session older than the limit",
    20: "fresh-login demand stripped in the browser",
    21: "identity token of another client, expired, wrong issuer",
    22: "role granted after the signature, or withdrawn before",
    23: "administrator grants himself a role; one administrator alone",
    24: "wrong passphrases, also from many sessions at once",
    25: "passphrase in logs, traces, session, history",
    26: "stolen database dump",
    27: "revoked key signs; key compromised after use",
    28: "passkey without verification, of another origin, old assertion",
    29: "stolen service key signs alone",
    30: "update, delete, truncate, replace of the log",
    31: "triggers dropped, log edited",
    32: "newest rows deleted",
    33: "older backup restored",
    34: "two copies on two branches",
    35: "key files lost, database intact",
    36: "bad statement inserted with a valid tree",
    37: "many writers, killed at random",
    38: "disk full, read-only file system",
    39: "lock holder hangs",
    40: "database fails over between commit and answer",
    41: "clock set back or forward",
    42: "leap second, daylight saving, naive time",
    43: "registry tags and anchor files deleted",
    44: "genesis replaced",
    45: "malformed or ambiguous JSON",
    46: "payload type changed, predicate unknown",
    47: "algorithm named by the envelope, key of another kind",
    48: "model names that look alike or hide characters",
    49: "links, pipes, devices, hard links among the files",
    50: "paths that leave the folder or mean something else",
    51: "file renamed with the same bytes",
    52: "a million files, sparse file, zip bomb",
    53: "pickle that runs code",
    54: "SQL in every field",
    55: "HTML and Markdown in every text",
    56: "killed after signing, before the commit",
    57: "killed after the commit, before the answer",
    58: "killed after the commit, before the registry write",
    59: "killed after the registry write, before the outcome",
    60: "registry down, slow, failing after it applied",
    61: "rollback to a version never approved, changed, deleted",
    62: "break-glass that nobody reviews",
    63: "version deleted while it serves",
    64: "export with a doctored verifier, report or pin",
    65: "verified on another machine, locale and zone",
    66: "old export against a newer one",
}

BY_NAME: dict[int, tuple[str, ...]] = {
    1: ("test_changed_evidence_voids_the_page_that_was_shown",),
    2: ("test_swapped_files_are_noticed_before_anything_moves",),
    5: ("test_an_alias_moved_outside_is_a_conflict_and_is_not_overwritten",),
    6: ("test_observed_difference_is_a_finding",),
    8: ("test_a_second_click_returns_the_first_receipt", "test_a_double_click_from_two_threads_is_one_entry"),
    9: ("test_a_challenge_belongs_to_one_person_and_fifteen_minutes", "test_a_challenge_is_used_once"),
    10: ("test_two_last_approvers_at_once_make_exactly_one_action",),
    11: ("test_time_running_out_never_approves", "test_an_approval_ends_with_its_lifetime"),
    13: ("test_the_requester_never_decides_and_the_attempt_is_recorded", "test_own_request_cannot_be_approved"),
    14: ("test_two_administrators_sign_one_envelope", "test_same_administrator_does_not_sign_twice"),
    15: (
        "test_decision_on_other_bytes_is_void",
        "test_decision_on_an_unknown_or_changed_request_is_void",
        "test_nobody_signs_for_somebody_else_or_for_another_log",
        "test_used_nonce_is_void",
    ),
    19: ("test_session_of_twelve_hours_ends_although_somebody_is_busy", "test_quiet_session_ends_and_says_why"),
    22: (
        "test_role_that_was_not_held_decides_nothing",
        "test_role_taken_away_ends_permission_at_once_and_the_attempt_is_recorded",
    ),
    23: (
        "test_two_administrators_are_needed_outside_the_embedded_profile",
        "test_change_of_keys_or_roles_against_the_rules_is_not_recorded",
    ),
    24: (
        "test_five_wrong_passphrases_lock_the_key_for_a_quarter_of_an_hour",
        "test_twenty_guesses_at_once_are_counted_one_by_one",
    ),
    25: ("test_passphrases_do_not_show_in_representations",),
    26: ("test_stolen_database_does_not_open_a_key_without_the_pepper",),
    27: (
        "test_compromised_key_makes_earlier_signatures_suspect_without_rewriting_them",
        "test_lost_key_signs_no_more_and_another_one_is_enrolled",
    ),
    30: ("test_log_tables_refuse_change", "test_log_refuses_a_gap_and_a_replacement"),
    32: ("test_removed_tail_is_found_with_an_anchor",),
    33: ("test_an_older_copy_takes_no_decision_and_still_lets_traffic_come_back",),
    34: ("test_another_history_cannot_be_anchored_over_the_first",),
    35: ("test_lost_key_files_are_never_made_again",),
    36: ("test_stored_log_verifies_with_its_one_void_entry",),
    37: ("test_killed_writers_lose_nothing_that_was_acknowledged",),
    40: ("test_repeating_a_command_returns_the_first_receipt",),
    42: ("test_other_forms_of_time_are_refused",),
    44: ("test_replaced_log_is_not_the_one_with_the_pinned_genesis",),
    45: ("test_any_other_spelling_is_refused", "test_known_traps_are_refused"),
    46: ("test_variants_are_refused", "test_foreign_statements_are_refused"),
    47: ("test_unusable_keys_are_refused",),
    56: ("test_failing_block_leaves_no_entry", "test_nothing_of_a_failed_unit_of_work_remains"),
    57: ("test_repeating_a_command_returns_the_first_receipt",),
    58: ("test_a_release_killed_at_any_step_is_completed_exactly_once",),
    59: ("test_a_release_killed_at_any_step_is_completed_exactly_once",),
    60: (
        "test_with_the_registry_away_traffic_goes_back_and_the_alias_follows_later",
        "test_with_the_platform_away_a_rollback_waits_and_is_done_when_it_is_back",
    ),
    61: (
        "test_a_version_never_approved_is_no_target_and_the_attempt_is_recorded",
        "test_changed_files_and_a_revoked_approval_are_no_targets",
    ),
}

NOT_COVERED = {
    17: "frame-ancestors is set by the proxy in front, and the embedded profile has none; a passphrase is still needed",
    20: "production sign-in through an identity provider does not exist yet; sign-in is the embedded one",
    21: "production sign-in through an identity provider does not exist yet; no token is accepted",
    28: "passkeys are an extra that is not built; every signature opens a key with a passphrase",
}
"""Rows that no test tries, with the reason. A row that a test names is covered, whatever stands here."""


NOTHING_TO_TAKE_OUT = {
    65: "the verifier asks neither locale nor time zone for anything, so there is no check whose removal could show",
}
"""Rows whose test has no defence to be run without, with the reason."""


def defined() -> dict[str, list[str]]:
    """Function name of every test to its ids (`tests/unit/...py::name`)."""
    found = defaultdict(list)
    for file, function in _functions():
        found[function.name].append(_id(file, function))
    return dict(found)


def covered() -> dict[int, tuple[str, ...]]:
    """Row to the ids of the tests that try it, by docstring and by name."""
    found: dict[int, set[str]] = defaultdict(set)
    for file, function in _functions():
        for number in _MENTIONED.findall(ast.get_docstring(function) or ""):
            found[int(number)].add(_id(file, function))
    known = defined()
    for row, names in BY_NAME.items():
        for name in names:
            found[row].update(known.get(name, ()))
    return {row: tuple(sorted(ids)) for row, ids in sorted(found.items()) if row in ROWS}


@cache
def _functions() -> tuple[tuple[Path, ast.FunctionDef], ...]:
    return tuple(
        (file, node)
        for file in sorted(TESTS.rglob("test_*.py"))
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def _id(file: Path, function: ast.FunctionDef) -> str:
    return f"{file.relative_to(TESTS.parent).as_posix()}::{function.name}"


if __name__ == "__main__":
    tests = covered()
    for row, title in ROWS.items():
        print(f"{row:>2}  {title}")
        for line in tests.get(row, ()) or (f"not covered: {NOT_COVERED.get(row, 'no reason given')}",):
            print(f"      {line}")
