"""Passwords: hashed with argon2 beside the event loop, and guessed slowly."""

import asyncio
import math
import time
from collections import OrderedDict
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from nsml_core.errors import Exhausted, Invalid

_LEAST = 10
_MOST = 1_000
_FREE_TRIES = 5
_WAIT_MAX_SECONDS = 900.0
_REMEMBERED = 10_000


def check(password: str, name: str) -> None:
    """Refuse a password that is soon guessed."""
    if not _LEAST <= len(password) <= _MOST:
        raise Invalid(f"A password has {_LEAST} to {_MOST} characters.")
    if password.lower() in {name.lower(), name.lower() * 2} or len(set(password)) < _FREE_TRIES:
        raise Invalid("That password would soon be guessed: choose another.")


class Passwords:
    """Hashes, and compares with as much work whether somebody is known or not."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("nobody's")

    async def hash(self, password: str) -> str:
        return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, name: str, known: str | None, given: str) -> bool:
        """Tell whether a password is the one; who guesses has to wait, longer and longer."""
        self._check_wait(name)
        is_right = await asyncio.to_thread(self._verify, known, given[:_MOST])
        if known is not None and is_right:
            self._failed.pop(name, None)
            return True
        self.failed(name)
        return False

    def failed(self, name: str) -> None:
        """Note that somebody guessed wrong."""
        count, _ = self._failed.pop(name, (0, 0.0))
        self._failed[name] = (count + 1, time.monotonic())
        while len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)

    def _check_wait(self, name: str) -> None:
        count, last = self._failed.get(name, (0, 0.0))
        if count < _FREE_TRIES:
            return
        wait = min(2.0 ** (count - _FREE_TRIES), _WAIT_MAX_SECONDS)
        left = last + wait - time.monotonic()
        if left > 0:
            raise Exhausted(
                f"Too many wrong passwords for {name}: try again in {math.ceil(left)} seconds."
            )

    def _verify(self, known: str | None, given: str) -> bool:
        nobodys = self._nobodys  # made by the first who asks, known or not
        try:
            return self._hasher.verify(known or nobodys, given)
        except (VerificationError, InvalidHashError):
            return False
