"""`create_app`: the only place where the API is wired."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version

import structlog
from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

from app import event_streams, idempotency, openapi, problems
from app.cors import Cors
from app.datasets import builtin_routes as builtin_dataset_routes
from app.datasets import changes as dataset_changes
from app.datasets import routes as dataset_routes
from app.datasets import upload
from app.dependencies import Services
from app.jobs import actions as job_actions
from app.jobs import logs as job_logs
from app.jobs import original_routes
from app.jobs import routes as job_routes
from app.jobs import validate_routes as job_validation
from app.metrics import Metrics
from app.models import compare as model_compare
from app.models import routes as model_routes
from app.models import signing as model_signing
from app.models import yank as model_yank
from app.models.pairs import Pairs
from app.observability import FailuresAsProblems, RequestContext
from app.query import strict_query
from app.queue import Nudge, Publisher, publisher
from app.security import LoopbackHostOnly, check_binding
from app.settings import ApiSettings
from app.system import metrics as system_metrics
from app.system import routes as system_routes
from app.system import status as system_status
from app.watching import Watcher
from registry import logs
from registry.blobs import BlobStore
from registry.database import Database
from registry.settings import Settings
from registry.signing import signer

DESCRIPTION = """Upload an interaction log, post a config, download a verified recommender for the phone.

Errors are RFC 9457 problem documents; `GET /problems/{code}` explains each code. Lists take `limit` and `after`."""


def create_app(
    settings: Settings,
    *,
    nudge: Nudge | None = None,
    database: Database | None = None,
    blobs: BlobStore | None = None,
    api: ApiSettings | None = None,
) -> FastAPI:
    """The API over the database, blob store and broker that `settings` name; arguments replace parts of it.

    Raises:
        BindingRefused: the settings would open the service to other machines without a key.
    """
    api = api or ApiSettings()
    key = api.key
    check_binding(settings, key)
    if not structlog.is_configured():
        logs.configure(settings.log_level, settings.log_format)
    blobs = blobs or BlobStore(settings.blob_url)
    database = database or Database(settings.database_url, blobs=blobs)
    wired = Services(
        settings=settings,
        database=database,
        blobs=blobs,
        nudge=nudge or publisher(settings),
        watcher=Watcher(database, event_streams.encode),
        pairs=Pairs(blobs),
        # At first use: most processes never sign, and the library takes memory.
        signer=cache(partial(signer, database, api.signing)),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(wired.database.migrate)
        await run_in_threadpool(upload.sweep, settings.state_dir)
        await run_in_threadpool(wired.blobs.sweep)
        yield
        wired.watcher.close()
        if isinstance(wired.nudge, Publisher):
            wired.nudge.close()
        wired.database.dispose()

    app = FastAPI(
        title="PocketRec",
        summary="Recommenders that run on the phone.",
        description=DESCRIPTION,
        version=_version(),
        lifespan=lifespan,
        # The framework's pages load their scripts from another server.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.services = wired
    app.state.api_key = key
    app.state.metrics = Metrics(app.version, lambda: wired.watcher.readers)
    problems.install(app)
    idempotency.install(app)
    jobs_by_topic = (job_routes, job_validation, job_actions, job_logs, original_routes)
    models_by_topic = (model_compare, model_routes, model_yank, model_signing)  # `{name}:compare` comes before `{name}`
    system_by_topic = (system_routes, system_status, system_metrics)
    datasets_by_topic = (dataset_routes, dataset_changes, builtin_dataset_routes)
    topics = (*datasets_by_topic, *jobs_by_topic, *models_by_topic, *system_by_topic)
    routers = [routes.router for routes in topics]
    for router in routers:
        app.include_router(router, dependencies=[Depends(strict_query)])
    openapi.install(app, routers)
    # The last one added is the outermost.
    if key is None:
        app.add_middleware(LoopbackHostOnly)
    app.add_middleware(FailuresAsProblems)
    if settings.cors_origins:
        app.add_middleware(Cors, origins=settings.cors_origins)
    app.add_middleware(RequestContext, metrics=app.state.metrics)
    return app


def _version() -> str:
    try:
        return version("pocketrec")
    except PackageNotFoundError:
        return "0.0.0"
