if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from common.postgres.migrations import main
from profile_service.storage.tables import SCHEMA

if __name__ == "__main__":
    main(SCHEMA, __file__)
