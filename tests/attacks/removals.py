"""The defences behind the attacks that are named one by one: replay, swapped evidence, self-approval, a broken log."""

from __future__ import annotations

from tests.attacks.removal import NEVER, Cut, Removal, cut

_DECIDING, _REPLAY, _VERIFY = "approvals/deciding.py", "ledger/replay.py", "ledger/verify.py"
_SAME_EVIDENCE = cut(_DECIDING, "            _require_same_evidence(request, drafted)\n")
_SAME_SHOWN = cut(
    _DECIDING,
    "            if challenge.shown_sha256 != statements.shown_sha256(request, drafted.frozen, acting):",
    f"            {NEVER}",
)
_SPENT = cut("adapters/sql/rollout.py", "        return done.rowcount == 1\n", "        return True\n")

NAMED = (
    Removal(
        attack="replay on another version: decision on other bytes",
        rows=(15,),
        defence="what a decision is about has to be what its request is about",
        cuts=(
            cut(
                _REPLAY,
                "        if statement.subjects[0].sha256 != request.subject_sha256:",
                f"        {NEVER}",
            ),
        ),
        test="tests/unit/ledger/test_replay.py::test_decision_on_other_bytes_is_void",
    ),
    Removal(
        attack="replay on another version: the form of one request posted for another",
        rows=(16,),
        defence="a challenge is bound to person, request and step",
        cuts=(
            cut(
                _DECIDING,
                'if challenge is None or bound != ("review", acting.actor.subject, _seat(request, acting)):',
                "if challenge is None:",
            ),
            _SAME_SHOWN,
        ),
        test="tests/attacks/test_deciding.py::test_a_page_of_one_version_signs_no_other",
    ),
    Removal(
        attack="replay: the same signature a second time",
        rows=(15,),
        defence="a nonce counts once",
        cuts=(cut(_REPLAY, "        if statement.nonce in self._nonces:", f"        {NEVER}"),),
        test="tests/unit/ledger/test_replay.py",
    ),
    Removal(
        attack="evidence swapped after the page was opened",
        rows=(1,),
        defence="evidence is collected again at the signature and compared",
        cuts=(_SAME_EVIDENCE, _SAME_SHOWN),
        test="tests/unit/approvals/test_deciding.py::test_changed_evidence_voids_the_page_that_was_shown",
    ),
    Removal(
        attack="evidence swapped and swapped back",
        rows=(1,),
        defence="a page that was stale once is spent",
        cuts=(
            cut(
                _DECIDING,
                "                    unit.rollouts.use_challenge(command.challenge)\n                raise",
                "                    pass\n                raise",
            ),
        ),
        test="tests/unit/approvals/test_standing.py::test_a_page_that_was_stale_once_stays_dead_when_the_evidence_changes_back",
    ),
    Removal(
        attack="alias moved outside after the action was queued",
        rows=(5,),
        defence="the alias is read before it is written, and a stranger's value is left",
        cuts=(
            cut("rollout/alias_steps.py", "        if alias != action.from_version:", f"        {NEVER}"),
            cut("rollout/checks.py", "self._expect_alias(action)\n", "pass\n"),
        ),
        test="tests/unit/rollout/test_outbox.py::test_an_alias_moved_outside_is_a_conflict_and_is_not_overwritten",
    ),
    Removal(
        attack="alias moved outside a week later",
        rows=(6,),
        defence="the sentinel compares registry and traffic with the ledger",
        cuts=(
            cut("rollout/reconcile.py", "        return bool(changed.finding_digest)", "        return False"),
            cut("rollout/reconcile.py", "        if digest == row.finding_digest:", "        if True:"),
        ),
        test="tests/attacks/test_traffic.py::test_alias_moved_outside_later_is_told_with_what_was_signed_and_reverted",
    ),
    Removal(
        attack="self-approval",
        rows=(13,),
        defence="the requester decides nothing, in the service and in the replay",
        cuts=(
            cut("approvals/rules.py", "    for account in acting.accounts:", "    for account in ():"),
            cut(_REPLAY, "            if request.requester in people:", f"            {NEVER}"),
        ),
        test="tests/unit/approvals/test_standing.py::test_requester_cannot_approve_through_a_delegation",
    ),
    Removal(
        attack="self-approval through a second account",
        rows=(13,),
        defence="accounts that print one name or share a subject are one person",
        cuts=(
            cut(
                "people/persons.py",
                "    return bool(_plain(one.name)) and _plain(one.name) == _plain(other.name)",
                "    return False",
            ),
        ),
        test="tests/unit/approvals/test_second_account.py",
    ),
    Removal(
        attack="one person in two places by delegation",
        rows=(13,),
        defence="nobody signs twice: not in two roles, not through somebody else's hand",
        cuts=(
            cut("approvals/rules.py", "        if not overlap(item.accounts, acting.accounts):", "        if True:"),
        ),
        test="tests/unit/approvals/test_standing.py::test_delegator_and_delegate_are_one_person_for_the_quorum",
    ),
    Removal(
        attack="forged headers",
        rows=(18,),
        defence="only the session cookie of a session the service opened says who somebody is",
        cuts=(
            Cut(
                file="pages/components/session.py",
                old="    people = control_room().people\n    found",
                new="    people = control_room().people\n"
                '    if "X-Forwarded-User" in st.context.headers:\n'
                '        return people.sign_in_demo("clara.compliance")\n    found',
            ),
            Cut(
                file="pages/components/session.py",
                old="    if not token or not _TOKEN.fullmatch(token):\n        return None\n",
                new="",
            ),
        ),
        test="tests/attacks/test_headers.py::test_identity_headers_are_nobody",
    ),
    Removal(
        attack="SQL injection",
        rows=(54,),
        defence="typed text is bound, never part of a statement",
        cuts=(
            cut(
                "adapters/sql/ledger_index.py",
                "        ledger_index.c.searched.contains(word, autoescape=True)",
                "        literal_column(f\"searched LIKE '%{word}%'\")",
            ),
            cut("adapters/sql/ledger_index.py", "from sqlalchemy import ", "from sqlalchemy import literal_column, "),
        ),
        test="tests/attacks/test_input.py",
    ),
    Removal(
        attack="HTML and Markdown injection",
        rows=(55,),
        defence="typed text is escaped before it is shown",
        cuts=(
            Cut(
                file="pages/components/format.py",
                old='    escaped = _MARKDOWN.sub(r"\\\\\\1", plain)',
                new="    escaped = str(text)",
            ),
        ),
        test="tests/screens/test_attacks.py::test_hostile_text_in_every_name_note_comment_and_reason_is_shown_as_typed",
    ),
    Removal(
        attack="double click and two tabs",
        rows=(8,),
        defence="one entry per person, decision and revision",
        cuts=(
            cut(_DECIDING, '    again = f":{void}" if void else ""', "    again = secrets.token_hex(8)"),
            _SPENT,
            cut("approvals/rules.py", "    _require_first(decisions, decision, acting)\n\n\ndef", "\n\ndef"),
        ),
        test="tests/attacks/test_deciding.py::test_two_tabs_of_one_person_are_one_entry",
    ),
    Removal(
        attack="two approvers at once",
        rows=(10,),
        defence="writers queue at one lock, and everything is asked again behind it",
        cuts=(cut("adapters/sql/database.py", 'postgresql" or _holds_turn(connection):', 'postgresql" or True:'),),
        test="tests/attacks/test_deciding.py::test_four_approvers_at_the_same_instant_make_exactly_one_action",
    ),
    Removal(
        attack="database restored from an older backup",
        rows=(33,),
        defence="the log may not be shorter than its highest anchor",
        cuts=(cut("ledger/vouching.py", "    if not notes:\n        return\n", "    return\n"),),
        test="tests/unit/approvals/test_restored_database.py::test_an_older_copy_takes_no_decision_and_still_lets_traffic_come_back",
    ),
    Removal(
        attack="truncated tail",
        rows=(32,),
        defence="an anchor or checkpoint that vouches for more entries is a finding",
        cuts=(
            cut(
                _VERIFY,
                "        elif size > self.frontier.size:",
                "        elif size > self.frontier.size and True:\n            return\n        elif False:",
            ),
        ),
        test="tests/contract/test_ledger_tampering.py::test_removed_tail_is_found_with_an_anchor",
    ),
    Removal(
        attack="reordered rows",
        defence="signed checkpoints and pinned heads fix the order",
        cuts=(
            cut(_VERIFY, "        elif self.roots[size] != checkpoint.root:", "        elif False:"),
            cut(
                _VERIFY,
                "        if said.head.size > seq or self.roots[said.head.size].hex() != said.head.root:",
                f"        {NEVER}",
            ),
        ),
        test="tests/golden/test_log.py::test_reordered_entries_are_found",
    ),
    Removal(
        attack="replaced key of a person",
        defence="signatures count only from keys the log enrolled for that person",
        cuts=(
            cut("ledger/keyring.py", "            if signature.key_id not in known:", f"            {NEVER}"),
            cut("ledger/keyring.py", "            if signature.key_id not in verified:", f"            {NEVER}"),
            cut("ledger/keyring.py", " for signature in read.signatures)", " for signature in read.signatures[-1:])"),
            cut(
                "ledger/keyring.py",
                "key for key in people if key.owner == who",
                "key for key in self.keys.values() if key.owner == who",
            ),
            cut(
                _REPLAY,
                "key for key in keys if key.owner == signed",
                "key for key in self.keyring.keys.values() if key.owner == signed",
            ),
            cut(
                _REPLAY,
                "            if who is not None and self",
                "            if signature.key_id in self.keyring.keys and self",
            ),
        ),
        test="tests/contract/test_ledger_tampering.py::test_swapped_key_of_a_person_signs_only_void_decisions",
    ),
    Removal(
        attack="replaced key of the log",
        rows=(44,),
        defence="the log key of this deployment is held against the one the log names",
        cuts=(cut(_VERIFY, "        if self.trusted.log_key is not None and", "        if False and"),),
        test="tests/contract/test_ledger_tampering.py::test_replaced_log_is_not_the_one_with_the_pinned_genesis",
    ),
    Removal(
        attack="replaced log",
        rows=(44,),
        defence="the genesis entry is compared with the fingerprint that is held",
        cuts=(
            cut(
                _VERIFY,
                "        if self.trusted.genesis and self.genesis != self.trusted.genesis:",
                f"        {NEVER}",
            ),
        ),
        test="tests/attacks/test_ledger.py::test_replaced_genesis_is_not_the_pinned_one",
    ),
    Removal(
        attack="fork: an entry of another branch",
        rows=(34,),
        defence="the history a signer saw has to be how this log began",
        cuts=(cut("adapters/sql/ledger.py", "        self._require_same_history(statement.head, before)\n"),),
        test="tests/attacks/test_ledger.py::test_entry_of_a_branch_is_not_added_to_the_main_line",
    ),
    Removal(
        attack="crash between commit and answer",
        rows=(40, 57),
        defence="a repeated command gets the first receipt",
        cuts=(
            cut(
                "adapters/sql/ledger.py",
                "        if earlier is not None:\n            return earlier\n",
                '        if earlier is not None:\n            idem = f"{idem}:{standing.seq}"\n',
            ),
        ),
        test="tests/attacks/test_ledger.py::test_answer_lost_after_the_commit_is_given_again",
    ),
    Removal(
        attack="crash between sign, commit and registry write",
        rows=(58, 59),
        defence="an action whose lease ended is taken up again",
        cuts=(
            cut(
                "rollout/outbox.py",
                "for action in waiting if action.next_try_at <= now]",
                "for action in waiting if not action.lease_owner]",
            ),
        ),
        test="tests/unit/rollout/test_crashes.py::test_a_release_killed_at_any_step_is_completed_exactly_once",
    ),
    Removal(
        attack="clock moved back",
        rows=(41,),
        defence="an entry well behind the newest ones is not added",
        cuts=(cut("adapters/sql/wall_clock.py", "    if newest is not None and ends < newest:", f"    {NEVER}"),),
        test="tests/attacks/test_ledger.py::test_clock_set_back_signs_nothing",
    ),
    Removal(
        attack="clock moved back or forward against the database",
        rows=(41,),
        defence="the machine's clock is held against the database's",
        cuts=(cut("adapters/sql/wall_clock.py", "    if ends < now or statement.at > now + LATE:", f"    {NEVER}"),),
        test="tests/attacks/test_ledger.py::test_clock_of_the_app_is_held_against_the_databases",
    ),
    Removal(
        attack="read-only disk",
        rows=(38,),
        defence="a refusal of the database is told as nothing signed",
        cuts=(cut("adapters/sql/database.py", "        raise _in_words(broken) from broken\n", "        raise\n"),),
        test="tests/attacks/test_ledger.py::test_read_only_database_says_not_signed",
    ),
    Removal(
        attack="full disk",
        rows=(38,),
        defence="a refusal of the database is told, and the transaction leaves nothing",
        cuts=(cut("adapters/sql/database.py", "        raise _in_words(broken) from broken\n", "        return\n"),),
        test="tests/attacks/test_ledger.py::test_full_disk_signs_nothing_and_leaves_nothing_half_written",
    ),
    Removal(
        attack="rows of the log updated or deleted",
        rows=(30,),
        defence="the database refuses it",
        cuts=(
            cut(
                "adapters/sql/protection.py",
                'INSERT_ONLY = ("log_entry", "log_checkpoint"',
                'INSERT_ONLY = ("log_checkpoint"',
            ),
        ),
        test="tests/attacks/test_ledger.py::test_log_is_insert_only_in_every_way_of_saying_it",
    ),
    Removal(
        attack="settings of the deployment job changed after signing",
        defence="the settings are part of what is signed",
        cuts=(
            cut(
                "rollout/job_evidence.py",
                "            sha256=part_digest(job, seen.settings_sha256),\n",
                '            sha256=part_digest(job, ""),\n',
            ),
        ),
        test="tests/contract/test_job_evidence.py"
        "::test_signatures_turn_void_and_name_the_job_when_its_settings_change_after_signing",
    ),
    Removal(
        attack="a loss of entries is stated that the old log does not vouch for",
        defence="what is claimed is held against the old log's own signed checkpoint",
        cuts=(
            cut(
                "ledger/epochs.py",
                '    if (seen.size, seen.root.hex()) != (previous["anchored"]["size"], previous["anchored"]["root"]):',
                f"    {NEVER}",
            ),
        ),
        test="tests/contract/test_epochs.py::test_a_loss_that_the_old_log_does_not_vouch_for_breaks_the_new_one",
    ),
)
