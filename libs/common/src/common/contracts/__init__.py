"""What services tell each other: pydantic and the standard library, no service, no database, no Kafka."""
