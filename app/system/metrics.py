"""`/metrics`, for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials

from app.dependencies import Wired
from app.metrics import Metrics
from app.responses import problems
from app.security import bearer, principal

router = APIRouter(tags=["system"])

_EXAMPLE = """# HELP pocketrec_queue_jobs Jobs that wait for a worker.
# TYPE pocketrec_queue_jobs gauge
pocketrec_queue_jobs{queue="train"} 2.0
"""


async def allowed(
    request: Request, services: Wired, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    """Let in who may ask for anything; with the setting `metrics_public` everybody. Raises Problem `unauthorized`."""
    if not services.settings.metrics_public:
        await principal(request, credentials)


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[Depends(allowed)],
    responses={
        200: {
            "description": "The text format of Prometheus, or OpenMetrics where `Accept` names it.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
        **problems(),
    },
)
def get_metrics(request: Request, services: Wired) -> Response:
    """Numbers about jobs, queues, attempts and phases (of all processes), and about this process's requests."""
    metrics: Metrics = request.app.state.metrics
    text, media_type = metrics.exposition(services.database, request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": media_type, "Cache-Control": "no-store", "Vary": "Accept"})
