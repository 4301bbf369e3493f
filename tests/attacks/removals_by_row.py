"""The defences behind the other rows of the list of attacks, in its order."""

from __future__ import annotations

from tests.attacks.removal import NEVER, Removal, cut

BY_ROW = (
    Removal(
        attack="artifact overwritten after the approval",
        rows=(2,),
        defence="files are hashed again before anything moves",
        cuts=(cut("rollout/checks.py", "self._rehash(action)\n", "pass\n"),),
        test="tests/unit/rollout/test_outbox.py::test_swapped_files_are_noticed_before_anything_moves",
    ),
    Removal(
        attack="version deleted and made again under its number",
        rows=(3,),
        defence="run, time of creation and source are part of what is signed",
        cuts=(
            cut(
                "approvals/parts.py",
                '        "run": [evidence.run_id, evidence.created_at, evidence.source],',
                '        "run": [],',
            ),
        ),
        test="tests/attacks/test_review_and_storage.py::test_a_version_deleted_and_made_again_under_its_number_is_another_one",
    ),
    Removal(
        attack="alias moved outside between request and signature",
        rows=(4,),
        defence="nothing is signed while an unsigned change stands",
        cuts=(cut("approvals/deciding.py", "    if decision in BINDING and finding:", f"    {NEVER}"),),
        test="tests/unit/approvals/test_adoption.py::test_another_promotion_is_not_signed_while_an_unsigned_change_stands",
    ),
    Removal(
        attack="policy edited in the database",
        rows=(7,),
        defence="a stored policy is held against the signed entry that published it",
        cuts=(
            cut(
                "policy/service.py", "        if not statements.says(said, item) or not (", "        if False and not ("
            ),
        ),
        test="tests/attacks/test_review_and_storage.py::test_a_policy_edited_in_the_database_refuses_the_signature",
    ),
    Removal(
        attack="challenge used late",
        rows=(9,),
        defence="a review is good for fifteen minutes and one signature",
        cuts=(
            cut(
                "approvals/deciding.py",
                "        if challenge.used or challenge.expires_at < self._with.clock.now():",
                f"        {NEVER}",
            ),
        ),
        test="tests/unit/approvals/test_deciding.py::test_a_challenge_belongs_to_one_person_and_fifteen_minutes",
    ),
    Removal(
        attack="expired request",
        rows=(11,),
        defence="time that runs out ends a request",
        cuts=(
            cut(
                "approvals/rules.py",
                "    return is_undecided(request) and now > request.expires_at",
                "    return False",
            ),
        ),
        test="tests/unit/approvals/test_deciding.py::test_time_running_out_never_approves",
    ),
    Removal(
        attack="approval withdrawn after the action",
        rows=(12,),
        defence="the picture of states has no way back from released",
        cuts=(
            cut("approvals/rules.py", "        after(request.state, STEPS[decision])\n", "        pass\n"),
            cut(
                "approvals/table.py",
                "    if found is None:\n        raise IllegalTransitionError(",
                "    if found is None:\n        return state\n        raise IllegalTransitionError(",
            ),
        ),
        test="tests/attacks/test_review_and_storage.py::test_a_request_is_not_withdrawn_after_the_machine_acted",
    ),
    Removal(
        attack="administrator enrols the key of a friend alone",
        rows=(14,),
        defence="two administrators sign every change of keys",
        cuts=(
            cut(
                "people/keys.py",
                "        complete = len(ceremony.signed_by) >= keyring.signers_needed",
                "        complete = True",
            ),
            cut("ledger/keyring.py", "        if len(admins) < self.signers_needed:", f"        {NEVER}"),
        ),
        test="tests/attacks/test_identity.py::test_administrator_cannot_enrol_a_friend_alone_and_leaves_a_trace",
    ),
    Removal(
        attack="session older than the limit",
        rows=(19,),
        defence="a session ends after twelve hours, whatever the cookie says",
        cuts=(
            cut(
                "adapters/sql/people.py",
                "table.c.ended_at.is_(None), table.c.expires_at > now",
                "table.c.ended_at.is_(None)",
            ),
        ),
        test="tests/unit/people/test_sessions.py::test_session_of_twelve_hours_ends_although_somebody_is_busy",
    ),
    Removal(
        attack="role granted after the signature",
        rows=(22,),
        defence="a role counts at its place in the log",
        cuts=(
            cut(
                "ledger/keyring.py",
                '        if not self.holds(who, signer["role"], at=statement.at):',
                f"        {NEVER}",
            ),
        ),
        test="tests/attacks/test_identity.py::test_role_granted_after_the_signature_does_not_heal_it",
    ),
    Removal(
        attack="administrator grants himself a role",
        rows=(23,),
        defence="nobody signs a change of the own keys or roles",
        cuts=(
            cut(
                "ledger/keyring.py",
                "        if not self.embedded and self._subject(predicate) in admins:",
                f"        {NEVER}",
            ),
            cut("people/ceremonies.py", "    if not embedded and ceremony_person == signer:", f"    {NEVER}"),
        ),
        test="tests/attacks/test_identity.py::test_administrator_gives_himself_no_role",
    ),
    Removal(
        attack="guessing a passphrase",
        rows=(24,),
        defence="five wrong ones lock the key",
        cuts=(cut("adapters/signing/desk.py", "        if not attempt.allowed:", f"        {NEVER}"),),
        test="tests/attacks/test_identity.py::test_sixth_guess_is_not_looked_at_even_if_right",
    ),
    Removal(
        attack="passphrase in a trace",
        rows=(25,),
        defence="a secret prints as stars",
        cuts=(cut("kernel/secret.py", "return \"Secret('********')\"", "return self._text"),),
        test="tests/unit/people/test_people.py::test_passphrases_do_not_show_in_representations",
    ),
    Removal(
        attack="stolen database",
        rows=(26,),
        defence="the pepper outside the database is part of every password",
        cuts=(
            cut(
                "adapters/signing/sealing.py", "    return hmac.new(pepper, derived", '    return hmac.new(b"", derived'
            ),
        ),
        test="tests/contract/test_ledger_tampering.py::test_stolen_database_does_not_open_a_key_without_the_pepper",
    ),
    Removal(
        attack="revoked key signs",
        rows=(27,),
        defence="a revoked key is not among those that count",
        cuts=(
            cut(
                "ledger/keyring.py",
                "for key_id, key in self.keys.items() if key.revoked_at is None}",
                "for key_id, key in self.keys.items()}",
            ),
        ),
        test="tests/attacks/test_identity.py::test_revoked_key_opens_no_more_and_its_signature_is_void",
    ),
    Removal(
        attack="approval resting on a compromised key",
        rows=(27,),
        defence="entries from the place of compromise on are not relied on",
        cuts=(
            cut("rollout/attested.py", "            if since is not None and seq >= since:", f"            {NEVER}"),
        ),
        test="tests/attacks/test_identity.py::test_approval_resting_on_a_compromised_key_no_longer_stands",
    ),
    Removal(
        attack="service key alone signs a decision",
        rows=(29,),
        defence="whoever is named as signer has to have signed",
        cuts=(
            cut("ledger/keyring.py", '        if own is None or own.name != signer["name"]:', f"        {NEVER}"),
            cut("ledger/keyring.py", "        if who != MACHINE and not self._reaches(own):", f"        {NEVER}"),
            cut(
                "ledger/replay.py",
                "next(key for key in keys if key.owner == signed(who) and key.passkey is None)",
                "next((key for key in keys if key.owner == signed(who) and key.passkey is None), keys[0])",
            ),
        ),
        test="tests/attacks/test_identity.py::test_service_key_alone_approves_nothing",
    ),
    Removal(
        attack="triggers dropped",
        rows=(31,),
        defence="no decision while protections of the log are missing",
        cuts=(cut("ledger/service.py", "        missing = self._book.missing_triggers()", "        missing = ()"),),
        test="tests/attacks/test_review_and_storage.py::test_without_the_protections_of_the_log_nothing_is_decided",
    ),
    Removal(
        attack="two copies on two branches",
        rows=(34,),
        defence="an anchor file is never written over",
        cuts=(cut("adapters/signing/anchors.py", '    if path.read_text(encoding="utf-8") == note:', "    if True:"),),
        test="tests/contract/test_ledger_tampering.py::test_another_history_cannot_be_anchored_over_the_first",
    ),
    Removal(
        attack="key files lost",
        rows=(35,),
        defence="keys are not made anew for a log that has entries",
        cuts=(cut("adapters/signing/desk.py", "        if not store.log_is_empty():", f"        {NEVER}"),),
        test="tests/contract/test_ledger_tampering.py::test_lost_key_files_are_never_made_again",
    ),
    Removal(
        attack="bad statement in a valid tree",
        rows=(36,),
        defence="every statement is judged, not only its place",
        cuts=(
            cut("ledger/replay.py", "            if request.requester in people:", f"            {NEVER}"),
            cut("ledger/replay.py", "            require_permission(predicate, *allowed, role=role)\n", ""),
        ),
        test="tests/attacks/test_ledger.py::test_bad_statement_inserted_with_the_apps_credentials_is_void_and_later_ones_hold",
    ),
    Removal(
        attack="many writers at once",
        rows=(37,),
        defence="writers queue at one lock",
        cuts=(
            cut(
                "adapters/sql/database.py",
                '_sqlite_engine(url, "BEGIN IMMEDIATE", lock_seconds)',
                '_sqlite_engine(url, "BEGIN", lock_seconds)',
            ),
            cut("adapters/sql/database.py", "        if self._file_lock is None:", "        if True:"),
            cut(
                "adapters/sql/database.py",
                '    if connection.dialect.name != "postgresql" or _holds_turn(connection):',
                "    if True:",
            ),
        ),
        test="tests/contract/test_ledger_concurrency.py::test_eight_processes_append_without_gap_or_fork",
    ),
    Removal(
        attack="lock holder hangs",
        rows=(39,),
        defence="waiting for the lock ends, and is told as nothing signed",
        cuts=(
            cut(
                "adapters/sql/database.py",
                "        if not self._threads.acquire(timeout=self._lock_seconds):",
                "        if not self._threads.acquire(timeout=self._lock_seconds + 30):",
            ),
            cut(
                "adapters/sql/database.py",
                "            except Timeout as slow:\n                raise _busy() from slow",
                "            except Timeout as slow:\n                raise slow",
            ),
            cut("adapters/sql/database.py", "    if known in _BUSY:", f"    {NEVER}"),
        ),
        test="tests/attacks/test_ledger.py::test_hanging_lock_holder_gives_a_clean_message_and_a_safe_retry",
    ),
    Removal(
        attack="time in another form",
        rows=(42,),
        defence="one form of time is signed and read",
        cuts=(
            cut(
                "kernel/clock.py",
                '    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)',
                "    return datetime.fromisoformat(text)",
            ),
        ),
        test="tests/unit/attestation/test_statement.py::test_other_forms_of_time_are_refused",
    ),
    Removal(
        attack="registry tags taken away",
        rows=(43,),
        defence="a missing tag is a finding before it is written again",
        cuts=(
            cut(
                "ledger/registry_anchoring.py",
                "        if self._is_news(self._anchors.standing().problems):",
                f"        {NEVER}",
            ),
        ),
        test="tests/attacks/test_anchors.py::test_a_tag_that_was_taken_away_is_a_finding_and_is_in_the_ledger_before_it_is_written_again",
    ),
    Removal(
        attack="ambiguous JSON",
        rows=(45,),
        defence="only the one canonical spelling is read",
        cuts=(
            cut("attestation/canonical.py", "    if not _is_canonical(document, data):", f"    {NEVER}"),
            cut("attestation/canonical.py", "    if len(document) != len(pairs):", f"    {NEVER}"),
        ),
        test="tests/unit/attestation/test_canonical.py::test_known_traps_are_refused",
    ),
    Removal(
        attack="payload type changed",
        rows=(46,),
        defence="the payload type is ours or refused",
        cuts=(cut("attestation/envelope.py", ' or document["payloadType"] != PAYLOAD_TYPE:', ":"),),
        test="tests/unit/attestation/test_envelope.py::test_variants_are_refused",
    ),
    Removal(
        attack="algorithm named by the envelope",
        rows=(47,),
        defence="a signature has a key id and bytes, nothing else",
        cuts=(cut("attestation/envelope.py", ' <= {"keyid", "sig", "webauthn"}', ""),),
        test="tests/attacks/test_identity.py::test_algorithm_comes_from_the_keyring_alone",
    ),
    Removal(
        attack="deceptive model name",
        rows=(48,),
        defence="nothing of a model with a deceptive name is asked for",
        cuts=(
            cut(
                "approvals/drafting.py",
                "    found = [suspicion(evidence.model)] if suspicion(evidence.model) else []",
                "    found: list[str] = []",
            ),
        ),
        test="tests/attacks/test_artifacts.py::test_nothing_of_a_deceptively_named_model_is_asked_for_or_released",
    ),
    Removal(
        attack="links and pipes among the files",
        rows=(49,),
        defence="only plain files are accepted, before anything is copied",
        cuts=(
            cut(
                "attestation/manifest.py",
                "            if not stat.S_ISREG(facts.st_mode):\n                raise InputError(",
                "            if False:\n                raise InputError(",
            ),
        ),
        test="tests/unit/attestation/test_manifest.py::test_links_and_pipes_are_refused",
    ),
    Removal(
        attack="files outside the artifact folder",
        rows=(50,),
        defence="local files are opened below one folder only",
        cuts=(
            cut(
                "adapters/mlflow/files.py",
                " and not folder.resolve().is_relative_to(root.resolve()):",
                " and False:",
            ),
        ),
        test="tests/attacks/test_artifacts.py::test_a_version_registered_from_outside_the_artifact_folder_is_not_opened",
    ),
    Removal(
        attack="file renamed with the same bytes",
        rows=(51,),
        defence="the digest covers paths",
        cuts=(cut("attestation/manifest.py", '        {"path": file.path, "sha256"', '        {"path": "", "sha256"'),),
        test="tests/attacks/test_artifacts.py::test_a_renamed_file_with_the_same_bytes_in_the_same_order_is_another_version",
    ),
    Removal(
        attack="a million files",
        rows=(52,),
        defence="the walk ends at a ceiling",
        cuts=(
            cut(
                "attestation/manifest.py",
                "            if len(found) > ceiling.files or total > ceiling.total_bytes:",
                f"            {NEVER}",
            ),
        ),
        test="tests/attacks/test_artifacts.py::test_more_files_than_the_ceiling_are_refused_without_reading_one",
    ),
    Removal(
        attack="pickle that runs code",
        rows=(53,),
        defence="the serving process forbids unpickling",
        cuts=(
            cut(
                "adapters/local/gateway/link.py",
                '        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",',
                '        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true",',
            ),
        ),
        test="tests/attacks/test_artifacts.py::test_serving_refuses_a_model_that_can_only_be_unpickled",
    ),
    Removal(
        attack="killed between signing and commit",
        rows=(56,),
        defence="one transaction holds everything or nothing",
        cuts=(
            cut(
                "adapters/sql/database.py",
                "                lock_writers(connection)\n                yield connection\n",
                "                lock_writers(connection)\n                try:\n                    yield connection\n"
                "                finally:\n                    connection.commit()\n",
            ),
        ),
        test="tests/contract/test_ledger.py::test_failing_block_leaves_no_entry",
    ),
    Removal(
        attack="registry away during a rollback",
        rows=(60,),
        defence="traffic goes back first, the alias follows later",
        cuts=(
            cut(
                "rollout/alias_steps.py",
                "            if action.kind is not ActionKind.ROLLBACK:\n                raise\n",
                "            if True:\n                raise\n",
            ),
        ),
        test="tests/unit/rollout/test_outbox.py::test_with_the_registry_away_traffic_goes_back_and_the_alias_follows_later",
    ),
    Removal(
        attack="rollback to a version whose files changed",
        rows=(61,),
        defence="a target is a version as it was approved and served",
        cuts=(
            cut(
                "rollout/plan.py",
                "    if now and item.manifest_sha256 and now != item.manifest_sha256:",
                f"    {NEVER}",
            ),
        ),
        test="tests/unit/rollout/test_plan.py::test_changed_files_and_a_revoked_approval_are_no_targets",
    ),
    Removal(
        attack="break-glass that nobody reviews",
        rows=(62,),
        defence="an overdue review holds up the next release",
        cuts=(cut("rollout/emergency_rules.py", "    if state is ReviewState.OVERDUE:", f"    {NEVER}"),),
        test="tests/unit/exceptions/test_effect.py::test_an_overdue_review_refuses_request_completion_and_advance_until_it_is_done",
    ),
    Removal(
        attack="version deleted while it serves",
        rows=(63,),
        defence="the sentinel asks the registry for every serving version",
        cuts=(
            cut(
                "rollout/differences.py",
                "        if there is None:\n            found.append(_deleted(item))\n        elif",
                "        if there is None:\n            pass\n        elif",
            ),
        ),
        test="tests/attacks/test_traffic.py::test_a_version_deleted_while_live_is_told_and_cannot_be_reverted",
    ),
    Removal(
        attack="doctored file in a pack",
        rows=(64,),
        defence="every file is held against a signed manifest",
        cuts=(
            cut(
                "audit/offline/verify.py",
                "            if sha256(data) != self.files[name] or len(data) != sizes[name]:",
                f"            {NEVER}",
            ),
        ),
        test="tests/unit/pack/test_tampering.py::test_changed_file_is_named",
    ),
    Removal(
        attack="old export against another history",
        rows=(66,),
        defence="a pack is compared with the checkpoints its reader holds",
        cuts=(
            cut(
                "audit/offline/verify.py",
                '            self._anchor(text, f"{kind} {number} given by you")',
                "            continue",
            ),
        ),
        test="tests/unit/pack/test_command.py::test_older_pack_of_the_same_log_is_a_part_of_the_newer_one",
    ),
)
