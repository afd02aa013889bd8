# Evenkeel's programs in one image: watch, work, rehearse (with its anvil) and submit. The devnet does not run in it.
# `make digests` pins the base images by digest; it needs docker and a registry.
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
# the pinned anvil, checked by its hash, for dry-runs and for simulations where the node has none
RUN apt-get update && apt-get install --yes --no-install-recommends npm \
 && /opt/evenkeel/bin/python -c "import shutil; from pathlib import Path; from streams.devnet.artifacts import anvil_program; shutil.copy(anvil_program(cache=Path('/anvil')), '/usr/local/bin/anvil')"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --create-home evenkeel
COPY --from=build /opt/evenkeel /opt/evenkeel
COPY --from=build /usr/local/bin/anvil /usr/local/bin/anvil
COPY docker-serve.sh /usr/local/bin/
ENV PATH=/opt/evenkeel/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EVENKEEL_FOLDER=/run/evenkeel \
    EVENKEEL_LOG_FORMAT=json
USER 10001
WORKDIR /home/evenkeel
ENTRYPOINT ["docker-serve.sh"]
CMD ["--help"]
