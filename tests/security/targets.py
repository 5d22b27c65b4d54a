"""The addresses that sqlmap tries: every list and search with all the parameters it reads. One line an address."""

from typing import Final

# With a session of an administrator.
PAGES: Final = (
    "/contacts/?stage=lead&q=ann&owner=1&source=web&sort=name&after=1",
    "/search/?q=ann",
    "/companies/?q=acme&after=1",
    "/funnel/?period=90d&source=web&motion=inbound&direction=inbound&campaign=a&country=de&industry=software",
    "/funnel/people/?stage=lead&period=90d&after=1",
    "/queue/?q=ann",
    "/imports/?before=9",
    "/jobs/?kind=erase&before=9",
    "/merges/?contact=1&before=9",
    "/duplicates/?after=1_1",
    "/suspects/?reason=bot&kind=email_clicked&days=30",
    "/suppressions/?email=ann@acme.example",
    "/team/audit/?who=1&act=signed_in&thing=contact&number=1&from=2026-01-01&to=2026-12-31&before=9",
    "/notifications/?before=9",
    "/exports/contacts.csv?stage=lead&q=ann&sort=name",
)
# With a personal token of an administrator.
API: Final = (
    "/api/v1/contacts/?email=a@b.example&external_id=1&stage=lead&owner=1&source=web&q=ann&updated_since=2026-01-01&limit=5",
    "/api/v1/contacts/?cursor=WzFd&limit=5",
    "/api/v1/events/?kind=page_viewed&limit=5",
    "/api/v1/companies/?domain=acme.example&limit=5",
    "/api/v1/handoffs/?state=offered&limit=5",
    "/api/v1/definitions/?key=default&limit=5",
    "/api/v1/transitions/?cursor=WzFd&limit=5",
    "/api/v1/funnel/?period=90d&by=source",
    "/api/v1/merges/?limit=5",
    "/api/v1/jobs/?kind=erase&limit=5",
    "/api/v1/suppressions/?email=a@b.example",
    "/api/v1/runs/?limit=5",
    "/api/v1/notifications/?limit=5",
)
