"""Sessions in the database, as Django keeps them; looked up in one plain statement, for every page begins with it."""

from typing import Any, Final

from django.contrib.sessions.backends import db
from django.db import connection
from django.utils import timezone

_LOOK_UP: Final = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > %s"


class SessionStore(db.SessionStore):
    """Django's, but for the way a session is found."""

    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing, and no key any more, where there is none or its time is over."""
        with connection.cursor() as cursor:
            cursor.execute(_LOOK_UP, [self.session_key, timezone.now()])
            found = cursor.fetchone()
        if found is None:
            self._session_key = None
            return {}
        return self.decode(found[0])
