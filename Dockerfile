# Evenkeel's programs: one image, `evenkeel watch` and `evenkeel work` from it. The devnet does not run in it.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock requirements-dev.lock ./
# two environments: one that builds, pinned like the other, and one that leaves with the image
RUN python -m venv /build && python -m venv /opt/evenkeel \
 && /build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-dev.lock \
 && /opt/evenkeel/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY contracts_abi contracts_abi
COPY pipeline pipeline
COPY streams streams
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/evenkeel/bin/pip install --no-cache-dir --no-index --no-deps /wheels/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home evenkeel
COPY --from=build /opt/evenkeel /opt/evenkeel
ENV PATH=/opt/evenkeel/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EVENKEEL_FOLDER=/run/evenkeel \
    EVENKEEL_LOG_FORMAT=json
USER 10001
WORKDIR /home/evenkeel
ENTRYPOINT ["evenkeel"]
CMD ["--help"]
