-- Two roles: gatehouse_owner migrates, gatehouse serves. As a superuser, with the server's psql:
--   psql -v owner_password=... -v password=... -f roles.sql
CREATE ROLE gatehouse_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE gatehouse LOGIN PASSWORD :'password';
CREATE DATABASE gatehouse OWNER gatehouse_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE gatehouse FROM PUBLIC;
GRANT CONNECT ON DATABASE gatehouse TO gatehouse;
\connect gatehouse

-- Whatever the owner creates, now and in later migrations, gatehouse can use but not change.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO gatehouse_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gatehouse;
ALTER DEFAULT PRIVILEGES FOR ROLE gatehouse_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO gatehouse;

-- For tables that exist already; harmless in a new database.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO gatehouse;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO gatehouse;

-- What a pooler cannot pass on: the service sets it itself where there is none.
ALTER ROLE gatehouse IN DATABASE gatehouse SET statement_timeout = '5s';
ALTER ROLE gatehouse IN DATABASE gatehouse SET lock_timeout = '4s';
ALTER ROLE gatehouse IN DATABASE gatehouse SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE gatehouse IN DATABASE gatehouse SET timezone = 'UTC';
