from auth_service.storage.tables import SCHEMA
from common.postgres.migrations import run_env

run_env(SCHEMA)
