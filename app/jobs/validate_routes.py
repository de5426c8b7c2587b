"""`POST /v1/jobs:validate`: everything that `POST /v1/jobs` would do, but for queueing."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from app.dependencies import Wired
from app.idempotency import Once, Reply
from app.jobs import create
from app.jobs.estimate_examples import VALIDATED_EXAMPLE
from app.jobs.estimate_schemas import JobValidationView, show_validation
from app.jobs.schemas import JobRequest
from app.responses import ok, problems
from app.security import Asker
from app.strict_json import StrictJsonRoute

router = APIRouter(tags=["jobs"], route_class=StrictJsonRoute)


@router.post(
    "/v1/jobs:validate",
    response_model=JobValidationView,
    responses={
        **ok("It could be queued, and would come to this.", VALIDATED_EXAMPLE),
        **problems(*create.REFUSALS),
    },
)
def validate_job(services: Wired, principal: Asker, once: Once, body: JobRequest) -> Response:
    """Try a job without queueing it: the complete config, examples, sizes, memory and time to expect, and warnings.

    Where `POST /v1/jobs` would refuse the same body, this answers with the same problem.
    """
    answer = show_validation(create.check(services, principal, body))

    def work(_session: Session) -> Reply:
        return Reply(answer)

    return once.run(work)
