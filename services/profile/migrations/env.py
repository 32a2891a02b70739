from common.postgres.migrations import run_env
from profile_service.storage.tables import SCHEMA

run_env(SCHEMA)
