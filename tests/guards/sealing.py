"""What the encryption of fields hangs on."""

from tests.guards.guard import Guard

_ROTATION = "tests/integration/crypto/test_rotation.py"

SEALING = (
    Guard(
        "a sealed value belongs to its table, row and column",
        "crypto/cipher.py",
        'return b"".join(struct.pack(">I", len(part)) + part for part in parts)',
        'return b"" if parts else struct.pack("")',
        f"{_ROTATION}::TestASealedValue::test_does_not_open_in_another_row_or_column",
    ),
    Guard(
        "a rotation replaces only the value that it has opened",
        "crypto/rotation.py",
        "\n              AND {column.table}.{column.column} = anew.found",
        "",
        f"{_ROTATION}::TestRotation::test_does_not_undo_what_is_written_meanwhile",
    ),
    Guard(
        "a worker misses a key that rows still need",
        "crypto/rotation.py",
        "if key_id != UNSEALED and key_id not in sealing.cipher.key_ids:",
        "if False:",
        f"{_ROTATION}::TestAKeyThatIsStillUsed::test_is_missed_at_start",
    ),
)
