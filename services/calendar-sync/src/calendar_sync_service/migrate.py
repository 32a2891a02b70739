from calendar_sync_service.storage.tables import SCHEMA
from common.postgres.migrations import main

if __name__ == "__main__":
    main(SCHEMA, __file__)
