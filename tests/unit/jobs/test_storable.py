import json
import math

import pytest

from common.errors import Kind, QuartetError
from common.jobs.storable import LIMIT_BYTES, storable


class TestStorable:
    @pytest.mark.parametrize(
        "value",
        [
            None,
            {"done": 3, "names": ["ä", "\U0001f600"]},
            [1, 2.5, True],
            "a backslash before u0000: \\u0000",
            "x" * (LIMIT_BYTES - 2),
        ],
    )
    def test_is_the_value_as_json(self, value):
        assert json.loads(storable(value, what="result")) == value

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            ("a\x00b", "U+0000"),
            ({"deep": [{"k\x00": 1}]}, "U+0000"),
            ({"ratio": math.nan}, "not JSON"),
            (math.inf, "not JSON"),
            ({"a", "b"}, "not JSON"),
            (b"bytes", "not JSON"),
            ({("a", "b"): 1}, "not JSON"),
            ("half of a pair: \ud83d", "half a character"),
            ("x" * (LIMIT_BYTES - 1), "are allowed"),
        ],
    )
    def test_refuses_what_postgresql_would_refuse_and_says_why(self, value, why):
        with pytest.raises(QuartetError) as refused:
            storable(value, what="result")

        assert refused.value.code == "job.result_not_storable"
        assert refused.value.kind is Kind.INTERNAL
        assert why in refused.value.detail

    def test_refuses_what_refers_to_itself(self):
        endless: list[object] = []
        endless.append(endless)

        with pytest.raises(QuartetError, match="not JSON"):
            storable(endless, what="arguments")
