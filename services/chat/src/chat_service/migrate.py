if __name__ == "__main__":
    from common.starting import hold_back

    hold_back()  # before all other imports

from chat_service.storage.tables import SCHEMA
from common.postgres.migrations import main

if __name__ == "__main__":
    main(SCHEMA, __file__)
