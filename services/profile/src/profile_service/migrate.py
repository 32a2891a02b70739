from common.postgres.migrations import main
from profile_service.storage.tables import SCHEMA

if __name__ == "__main__":
    main(SCHEMA, __file__)
