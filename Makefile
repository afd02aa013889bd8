# `make` lists what there is. Everything runs in .venv; set-up happens once, by itself.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV     := .evenkeel/uv
# tests wait for blocks and brokers more than they compute: processes that share them overlap their waits
WORKERS ?= 4
# what starts a hundred processes must not compile the same modules a hundred times
export PYTHONDONTWRITEBYTECODE :=

# no index address in a lock: everybody resolves where their own pip does; markers stay, for a lock is used on Linux and macOS
COMPILE := pip compile --quiet --upgrade --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-header --no-annotate --no-strip-markers

.PHONY: help demo test check coverage format bench bench-catching-up bench-compare bench-fold bench-plots bench-client bench-curves bench-growth bench-instructions bench-page bench-plans bench-steps bench-streams chaos-each chaos-streams chaos-sender chaos-examples chaos-node chaos-rpc chaos-backfill golden-aave golden-logs golden-records pictures screens config-docs module-docs topic-docs lock digests tools clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) tools ## The whole system on this machine: a broker, a chain, 200 blocks, faults, and a verdict
	$(BIN)/evenkeel demo

test: $(READY) tools ## Every test, on real brokers and real chains (WORKERS=4)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(READY) ## Lint, types, spelling, and the rules of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

coverage: $(READY) ## Branch coverage of pipeline/ by its unit, property and golden tests: 95 % at least
	$(BIN)/coverage run -m pytest tests/unit tests/properties tests/golden
	$(BIN)/coverage report

format: $(READY) ## Lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## What each step costs, against its peers in one run, and how it grows (BENCH_NFTS="100 10000"): some ten minutes
	$(BIN)/python tests/bench/bench.py

bench-fold: $(READY) ## How fast one core folds a log, without a broker
	$(BIN)/python tests/bench/fold.py

bench-compare: $(READY) ## The fold of this checkout and of OLD=COMMIT by turns
	$(BIN)/python tests/bench/compare.py $(OLD)

bench-instructions: $(READY) ## The same in instructions, which a busy machine does not change (needs valgrind)
	$(BIN)/python tests/bench/instructions.py $(OLD)

bench-plots: $(READY) ## Draw what `make bench` has written for docs/performance.md
	$(BIN)/python tests/bench/plots.py

bench-page: $(READY) ## Write what `make bench` has measured into docs/performance.md
	$(BIN)/python tests/bench/page.py

bench-catching-up: $(READY) tools ## How fast a watcher that is behind catches up on anvil, against asking for every block
	$(BIN)/python tests/bench/catching_up.py

bench-client: $(READY) ## What a hot call to a node costs, against the client before web3 stood on it
	$(BIN)/python tests/bench/client.py

bench-curves: $(READY) ## How long a curve takes to derive, to read again, and to evaluate
	$(BIN)/python tests/bench/curves.py

bench-steps: $(READY) ## How well a live book keeps its target under several price limits, on the toy chain
	$(BIN)/python tests/bench/steps.py

bench-growth: $(READY) ## How the cost of a block grows with a book's NFTs and a shard's books
	$(BIN)/python tests/bench/growth.py

bench-plans: $(READY) tools ## What N plans cost against what was foreseen, in bad weather (N=100 SEED=1)
	$(BIN)/python tests/bench/plans.py $(or $(N),100) $(or $(SEED),1)

bench-streams: $(READY) tools ## How fast one worker is on a real broker, against a bare loop
	$(BIN)/python tests/bench/streams_bench.py

chaos-each: $(READY) tools ## Each thing that goes wrong in production once, on a running house
	$(BIN)/python -m pytest tests/chaos

chaos-streams: $(READY) tools ## N seeded runs of all of that, mixed (N=20 SEED=1)
	PYTHONPATH=tests $(BIN)/python -m chaos.run $(or $(N),20) $(or $(SEED),1)

chaos-sender: $(READY) tools ## N seeded runs of deaths between a live book's plan and its end (N=20 SEED=1)
	PYTHONPATH=tests $(BIN)/python -m chaos_sender.run $(or $(N),20) $(or $(SEED),1)

chaos-examples: $(READY) tools ## The tests of drawn and combined examples, with DEPTH times as many (DEPTH=10)
	DEPTH=$(or $(DEPTH),10) $(BIN)/python -m pytest tests/properties tests/unit tests/streams tests/adversary/test_lending_forged.py

chaos-rpc: $(READY) tools ## N seeded runs of nodes that lie, lag, limit and fail, under a watcher (N=200 SEED=1)
	PYTHONPATH=.:tests $(BIN)/python -m chaos_rpc.run $(or $(N),200) $(or $(SEED),1)

chaos-backfill: $(READY) tools ## Pasts that are brought in by `backfill`, killed in between (QUIET=200000 BUSY=20000 SEED=1)
	PYTHONPATH=.:tests $(BIN)/python -m chaos_backfill.run $(or $(QUIET),200000) $(or $(BUSY),20000) $(or $(SEED),1)

chaos-node: $(READY) tools ## N seeded runs of what ails a node, under a live book (N=3 SEED=1)
	PYTHONPATH=tests $(BIN)/python -m chaos_node.run $(or $(N),3) $(or $(SEED),1)

screens: $(READY) tools ## Take the pictures of README anew, from a devnet
	$(BIN)/python tests/pictures/screens.py

pictures: $(READY) ## Draw the pictures of docs/curves.md anew, by the commands that stand there
	$(BIN)/python tests/pictures/draw.py

golden-records: $(READY) ## Record the form of each type and version that has no record yet (OF='NAME...' records these anew)
	PYTHONPATH=tests $(BIN)/python tests/golden/record_forms.py $(OF)

golden-aave: $(READY) tools ## Ask the libraries of both versions of Aave V3 anew what they answer
	PYTHONPATH=tests $(BIN)/python tests/golden/record_aave_math.py

golden-logs: $(READY) tools ## Record anew what real deployments' logs lead to (WHAT=again keeps the logs)
	PYTHONPATH=tests $(BIN)/python tests/golden/record_logs.py $(or $(WHAT),anew)

config-docs: $(READY) ## Write docs/configuration.md from the models that read files and environment
	PYTHONPATH=tests $(BIN)/python -m config_docs

topic-docs: $(READY) ## Write docs/topics.md and docs/asyncapi.json from the messages' code
	PYTHONPATH=tests $(BIN)/python -m topic_docs

module-docs: $(READY) ## Write docs/modules.md from the first lines of the modules' docstrings
	PYTHONPATH=tests $(BIN)/python -m module_docs

lock: ## Resolve the dependencies anew, into both lock files
	$(PYTHON) -m venv --clear $(UV)
	$(UV)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(UV)/bin/uv $(COMPILE) --group dev pyproject.toml --output-file requirements-dev.lock
	$(UV)/bin/uv $(COMPILE) --constraint requirements-dev.lock pyproject.toml --output-file requirements.lock
	rm -rf $(UV)

digests: ## Pin the base images of Dockerfile and docker-compose.yml by digest: needs docker and a registry
	@for image in $$(grep -hoE '^FROM [a-z/]+:[0-9][a-z0-9.-]*|image: [a-z]+/[a-z-]+:v?[0-9.]+' Dockerfile docker-compose.yml | sed 's/.* //' | sort -u); do \
	  digest=$$(docker buildx imagetools inspect $$image --format '{{.Manifest.Digest}}') || exit 1; \
	  sed -i "s|$$image\(@sha256:[0-9a-f]*\)\{0,1\}|$$image@$$digest|" Dockerfile docker-compose.yml; \
	  echo "$$image@$$digest"; \
	done

tools: $(READY) ## Java, Maven, Node, the broker's jars, the chain's binary and contracts: present or installed
	$(BIN)/python -c "from streams.devnet.setup import prepare; prepare(say=print)"

clean: ## Remove the environment, the caches and what runs left here
	rm -rf $(VENV) .evenkeel .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@
