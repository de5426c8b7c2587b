# Two images of one service:
#
#   docker build --target api    -t pocketrec-api    .     the HTTP API; no TensorFlow in it
#   docker build --target worker -t pocketrec-worker .     runs validations and trainings
#
# Both run as user 10001 with a read-only root; they write to /var/lib/pocketrec, /blobs and /tmp only. See
# docker-compose.yml for the whole service.
#
# The base is pinned by its exact version. To pin its bytes too, look up the digest once and build with it:
#
#   docker buildx imagetools inspect python:3.11.14-slim-bookworm
#   docker build --build-arg PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:... --target api .
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

# --- the project as a wheel, built with locked tools ---
FROM ${PYTHON_IMAGE} AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.txt requirements/build.txt
RUN pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY reco_core reco_core
COPY registry registry
COPY worker worker
COPY app app
RUN python -m hatchling build -t wheel -d /wheels

# --- the packages of each image, locked by hash, compiled once; pip stays outside ---
FROM ${PYTHON_IMAGE} AS api-packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/venv
COPY requirements/api.txt /requirements.txt
RUN pip --python /opt/venv/bin/python install --require-hashes --no-compile -r /requirements.txt
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/venv/bin/python install --no-deps --no-index --no-compile /wheels/*.whl \
    && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib

FROM ${PYTHON_IMAGE} AS worker-packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/venv
COPY requirements/worker.txt /requirements.txt
RUN pip --python /opt/venv/bin/python install --require-hashes --no-compile -r /requirements.txt
COPY --from=wheel /wheels /wheels
RUN pip --python /opt/venv/bin/python install --no-deps --no-index --no-compile /wheels/*.whl \
    && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib

# --- what both images run on ---
FROM ${PYTHON_IMAGE} AS runtime
RUN pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel \
    && groupadd --gid 10001 pocketrec \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin pocketrec \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/pocketrec /blobs
# Nothing is compiled at run time (the root is read-only), a traceback comes even after a crash in native code, and what
# libraries keep in a home folder goes to /tmp.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    HOME=/tmp \
    TMPDIR=/tmp \
    POCKETREC_STATE_DIR=/var/lib/pocketrec \
    POCKETREC_BLOB_URL=/blobs
WORKDIR /var/lib/pocketrec
VOLUME ["/var/lib/pocketrec", "/blobs"]
STOPSIGNAL SIGTERM
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="PocketRec" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# --- api ---
FROM runtime AS api
LABEL org.opencontainers.image.description="PocketRec: the HTTP API"
COPY --from=api-packages /opt/venv /opt/venv
# Other machines reach it, so it refuses to start without POCKETREC_API_KEY.
ENV POCKETREC_HOST=0.0.0.0 POCKETREC_PORT=8000
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=8).read()"]
CMD ["pocketrec", "serve", "--api-only"]

# --- worker ---
FROM runtime AS worker
LABEL org.opencontainers.image.description="PocketRec: a worker, which validates datasets and trains models"
COPY --from=worker-packages /opt/venv /opt/venv
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "worker", "--check"]
CMD ["pocketrec", "worker"]
