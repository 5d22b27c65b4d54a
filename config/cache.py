"""The cache: losing Valkey must cost seconds, never a page."""

import logging
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class ForgivingRedisCache(RedisCache):
    """Django's Redis cache, which holds nothing while the server is away, or full, instead of raising."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Report that the key was free when the server cannot tell."""
        return bool(self._forgive(super().add, True, args, kwargs))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return `default` when the server cannot tell."""
        return self._forgive(super().get, default, (key, default, version), {})

    def set(self, *args: Any, **kwargs: Any) -> None:
        """Store the value, if the server is there."""
        self._forgive(super().set, None, args, kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> int:
        """Count up; 0 when the server is away."""
        return int(self._forgive(super().incr, 0, args, kwargs))

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        """Forget the key; False when the server is away."""
        return bool(self._forgive(super().delete, False, args, kwargs))

    def _forgive(self, call: Any, otherwise: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return call(*args, **kwargs)
        except RedisError:
            logger.warning("cache_unreachable")
            return otherwise
