-- Accounts with the least rights, so that what runs Countersign cannot switch the protections of the ledger off.
-- Once, as a superuser, in the empty database of Countersign, before `python -m services found`:
--
--     psql -d countersign -v ON_ERROR_STOP=1 -f deploy/postgres-roles.sql
--
--   countersign_owner    owns the tables; used for `found` and for `migrate` (upgrades), by nothing that runs
--   countersign_app      the screens
--   countersign_worker   the worker
--   countersign_auditor  reads everything but sealed keys, sessions and challenges
--
-- No password is set here: use \password, a certificate, or tokens of the platform. Running the file again is harmless.

DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['countersign_owner', 'countersign_app', 'countersign_worker', 'countersign_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', name);
        END IF;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO countersign_owner, countersign_app, countersign_worker, '
                   'countersign_auditor', current_database());
END $$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO countersign_owner;
GRANT USAGE ON SCHEMA public TO countersign_app, countersign_worker, countersign_auditor;

-- A runaway report of an auditor must not hold the tables.
ALTER ROLE countersign_auditor SET default_transaction_read_only = on;
ALTER ROLE countersign_auditor SET statement_timeout = '5min';

-- Called by `found` and `migrate` as the owner, so that tables of a later release get the same rights as they are made.
CREATE OR REPLACE FUNCTION countersign_grant() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
    runs constant text := 'countersign_app, countersign_worker';
    -- Rows are added and never changed. Triggers say so as well; an account without the right cannot even try.
    insert_only constant text[] := ARRAY['log_entry', 'log_checkpoint', 'log_anchor', 'access_view', 'published_policy'];
    -- What only one of the two processes has to write.
    of_worker constant text[] := ARRAY['worker_heartbeat', 'worker_lease'];
    of_app constant text[] := ARRAY['person_session', 'signing_challenge'];
    -- What no auditor needs: sealed private keys, digests of session tokens, open challenges.
    withheld constant text[] := ARRAY['signing_key', 'person_session', 'signing_challenge'];
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('REVOKE ALL ON %I FROM %s, countersign_auditor', name, runs);
        EXECUTE format('GRANT SELECT ON %I TO %s', name, runs);
        IF name <> ALL (withheld) THEN
            EXECUTE format('GRANT SELECT ON %I TO countersign_auditor', name);
        END IF;
        IF name = 'alembic_version' THEN
            CONTINUE;  -- the shape of the database is the owner's
        ELSIF name = ANY (insert_only) THEN
            EXECUTE format('GRANT INSERT ON %I TO %s', name, runs);
        ELSIF name = ANY (of_worker) THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %I TO countersign_worker', name);
        ELSIF name = ANY (of_app) THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %I TO countersign_app', name);
        ELSE
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %I TO %s', name, runs);
        END IF;
    END LOOP;
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %s', runs);
END $$;
ALTER FUNCTION countersign_grant() OWNER TO countersign_owner;
REVOKE ALL ON FUNCTION countersign_grant() FROM PUBLIC;
