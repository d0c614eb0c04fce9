-- A PostgreSQL role for REPORTS_DATABASE_URL that can read and do nothing else.
-- Run it as the owner of the tables, connected to the database of your reports, and set a password afterwards:
--   psql --file deployments/policies/database-reader.sql shop
--   psql --command '\password report_reader' shop

-- The API and each running export need one connection.
CREATE ROLE report_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 100;
-- A mistake in a report cannot change data. The role has no rights to change data in any case.
ALTER ROLE report_reader SET default_transaction_read_only = on;

-- Repeat these three statements for each schema that your reports read. To expose only some tables, grant SELECT on
-- these tables instead. Exports apply row level security, because the role neither owns the tables nor bypasses it.
GRANT USAGE ON SCHEMA public TO report_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO report_reader;
-- Tables that this role creates later.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO report_reader;

-- Every role may create temporary tables and large objects by default.
DO $$ BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO report_reader', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
