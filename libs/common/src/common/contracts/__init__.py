"""What services tell each other. Data only: pydantic and the standard library, no service, no database, no Kafka."""
