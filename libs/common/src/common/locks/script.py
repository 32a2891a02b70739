"""The one script: each question about a lock is decided in one step inside Redis."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

# Asked twice with the same owner, `acquire` gives the same answer: a reply that was lost costs nothing.
# The counter begins at the clock of Redis, so that it does not go back when Redis was emptied.
# A lock that has lost its end is given one by who asks, for all who ask for one name name the same time: a
# holder that lives extends it before that, and one that does not is waited for no longer.
# One who waits pops `released`; an element that nobody waits for is gone after a second.
LUA = """
local lock, counter, released = KEYS[1], KEYS[2], KEYS[3]
local question, owner, milliseconds = ARGV[1], ARGV[2], ARGV[3]
local holder = redis.call('HGET', lock, 'owner')

if holder and holder ~= owner then
    local left = redis.call('PTTL', lock)
    if left < 0 then
        redis.call('PEXPIRE', lock, milliseconds)
        left = tonumber(milliseconds)
    end
    return {0, left}
end
if question == 'release' then
    if holder then
        redis.call('DEL', lock)
        redis.call('RPUSH', released, 1)
        redis.call('PEXPIRE', released, 1000)
    end
    return {1, 0}
end
if not holder then
    if question == 'extend' then
        return {0, 0}
    end
    local fence = redis.call('INCR', counter)
    if fence == 1 then
        local now = redis.call('TIME')
        fence = now[1] * 1000000 + now[2]
        redis.call('SET', counter, string.format('%.0f', fence))
    end
    redis.call('HSET', lock, 'owner', owner, 'fence', string.format('%.0f', fence))
    redis.call('DEL', released)
end
redis.call('PEXPIRE', lock, milliseconds)
return {1, tonumber(redis.call('HGET', lock, 'fence'))}
"""
_SHA = hashlib.sha1(LUA.encode(), usedforsecurity=False).hexdigest()


class Question(StrEnum):
    ACQUIRE = "acquire"
    EXTEND = "extend"
    RELEASE = "release"


@dataclass(frozen=True)
class Answer:
    granted: bool
    number: int
    """The fence when granted; the milliseconds that another may hold it still when not."""


@dataclass(frozen=True)
class Keys:
    lock: str
    counter: str
    released: str


def keys_of(prefix: str, name: str) -> Keys:
    return Keys(
        lock=f"{prefix}lock:{name}", counter=f"{prefix}lock-fence", released=f"{prefix}lock-released:{name}"
    )


async def put(redis: Redis, question: Question, keys: Keys, *, owner: str, ttl_seconds: float) -> Answer:
    parts = (keys.lock, keys.counter, keys.released, question.value, owner, str(int(ttl_seconds * 1000)))
    reply: Any
    try:
        reply = await redis.evalsha(_SHA, 3, *parts)
    except NoScriptError:  # Redis is new, or was emptied
        reply = await redis.eval(LUA, 3, *parts)
    granted, number = reply
    return Answer(granted=granted == 1, number=int(number))
