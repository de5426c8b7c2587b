"""`POST /v1/config:convert`: a config of TensorFlow's on-device recommendation example, turned into ours."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from app.idempotency import Once, Reply
from app.jobs.originals import ConvertedView, OriginalConfig, convert, show_conversion
from app.responses import ok, problems
from app.security import Asker
from app.strict_json import StrictJsonRoute

router = APIRouter(tags=["config"], route_class=StrictJsonRoute)
_EXAMPLE = {
    "changes": [
        {
            "field": "--learning_rate",
            "original": "0.1 with Adagrad (default)",
            "ours": "training.optimizer: adamw, training.learning_rate: 0.004",
            "why": "at 0.1 its models died within an epoch when measured; give --learning_rate to have Adagrad with it",
        }
    ],
    "config": {"encoder": {"type": "rnn", "num_units": 64}, "training": {"max_epochs": 20}},
}


@router.post(
    "/v1/config:convert",
    response_model=ConvertedView,
    responses={
        **ok("The config, and what is not as it was.", _EXAMPLE),
        **problems("malformed_json", "payload_too_large", "unsupported_media_type", "validation_failed"),
    },
)
def convert_config(_principal: Asker, once: Once, body: OriginalConfig) -> Response:
    """Turn a config of TensorFlow's on-device recommendation example into one of ours, and say what changed and why.

    `POST /v1/jobs` takes such a config as well, as `original`.
    """
    found = convert(body)
    answer = ConvertedView(changes=show_conversion(found.changes).changes, config=dict(found.config))

    def work(_session: Session) -> Reply:
        return Reply(answer)

    return once.run(work)
