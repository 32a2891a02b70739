"""What dashboards and alerts see of events."""

from prometheus_client import Counter, Gauge

RELAY_LEADING = Gauge("quartet_relay_leading", "1 in the process that relays the outbox.")
RELAY_SENT = Counter("quartet_relay_sent_total", "Events sent to Kafka.", ["topic"])
RELAY_FAILURES = Counter("quartet_relay_failures_total", "Batches that Kafka did not take.")
OUTBOX_ROWS = Gauge("quartet_outbox_rows", "Events that wait in the outbox (counted up to 10,000).")
OUTBOX_OLDEST_AGE = Gauge("quartet_outbox_oldest_age_seconds", "Age of the oldest event in the outbox.")

CONSUMED = Counter(
    "quartet_consumed_total",
    "Messages by what became of them: handled, duplicate, ignored, appended, parked, dead_lettered.",
    ["topic", "partition", "result"],
)
CONSUMER_RETRIES = Counter("quartet_consumer_retries_total", "Deliveries that were tried again.", ["cause"])
CONSUMER_LAG = Gauge("quartet_consumer_lag", "Messages not done yet.", ["topic", "partition"])
CONSUMER_STANDS = Gauge(
    "quartet_consumer_stands_seconds",
    "How long a partition that has messages has not moved; 0 while it moves or has none.",
    ["topic", "partition"],
)
PARKED_KEYS = Gauge("quartet_parked_keys", "Keys whose messages wait for a replay.", ["kind"])
OLDEST_PARKED_AGE = Gauge("quartet_oldest_parked_age_seconds", "Age of the oldest parked message.")
