# One environment in .venv; every target makes what it needs. Nothing but Python 3.11+, git and make is asked for.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
TEST_WORKERS ?= 2

.PHONY: demo churn recommender test test-busy flavours clients check docs bench screenshots openapi lock clean sync sync-demo chromium crash compiled compiler

demo: sync-demo compiled ## the whole story on real data, then serve until Ctrl-C (ARGS=--exit ends by itself)
	$(BIN)/python examples/digits/demo.py $(ARGS)

churn: sync-demo compiled ## a table with an id, dates, gaps and late labels: breaks, is mended, changes for real; ends by itself
	$(BIN)/python examples/churn/demo.py $(ARGS)

recommender: sync-demo compiled ## sixty days of events, one broken; lists of items judged by NDCG and recall; then serve (ARGS=--exit ends by itself)
	$(BIN)/python examples/recommender/demo.py $(ARGS)

test: sync compiled chromium compiler check ## every test: unit, protocol, loop, crash, house, browser, on SQLite and PostgreSQL
	$(BIN)/pytest --ignore=tests/browser -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)
	$(BIN)/pytest tests/browser # a process of their own: playwright keeps an event loop running in its

check: sync ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/.docs ## the documentation site, in site/
	$(BIN)/python docs/generate.py
	cd tests && ../$(BIN)/python -m compatibility.page
	$(BIN)/zensical build --clean

bench: sync ## what the product costs, against its peers
	$(BIN)/python bench/turn.py
	$(BIN)/python bench/pipeline.py
	$(BIN)/python bench/serving.py
	$(BIN)/python bench/tracking.py
	$(BIN)/python bench/search.py
	$(BIN)/python bench/history.py
	$(BIN)/python bench/otlp.py
	$(BIN)/python bench/artifacts.py
	$(BIN)/python bench/log_age.py
	$(BIN)/python bench/ticks.py

screenshots: sync chromium ## every page in both schemes, from a running story, into docs/screenshots
	$(BIN)/python docs/screenshots.py

openapi: sync ## the API document that the web UI's types come from
	$(BIN)/python -m helicline.server.openapi > ui/openapi.json

lock: sync ## requirements.lock anew: versions and hashes, no addresses
	$(BIN)/uv pip compile pyproject.toml --group dev --extra postgres --extra notify --universal --generate-hashes --no-header \
		--no-annotate --python-version 3.11 --upgrade -o requirements.lock -q

crash: sync compiler ## the crash campaign at length: kills and power cuts
	HELICLINE_KILLS=2000 HELICLINE_CUTS=400 $(BIN)/pytest tests/crash $(ARGS)

test-busy: sync compiled chromium compiler ## the demo and every test, beside four processes that keep the cores busy
	$(BIN)/python bench/beside_load.py --processes 4 $(BIN)/pytest tests/loop/test_the_story_of_the_demo.py
	$(BIN)/python bench/beside_load.py --processes 4 $(BIN)/pytest --ignore=tests/browser $(ARGS)
	$(BIN)/python bench/beside_load.py --processes 4 $(BIN)/pytest tests/browser

flavours: .flavours/.ready ## every model flavour on every face, in an environment that has them all (5 GB: PyTorch brings CUDA)
	HELICLINE_FLAVOURS=1 .flavours/bin/python -m pytest tests/compatibility $(ARGS)

clients: sync ## every client with its everyday workflows, each in an environment of its own in ~/.cache/helicline
	$(BIN)/pytest tests/clients/every_client.py -s $(ARGS)

sync: .venv/.dev
sync-demo: .venv/.demo

# many short processes run here: none of them should have to compile what it imports
compiled: sync-demo
	@$(BIN)/python -m compileall -q -j 0 src/helicline examples

.venv/bin/uv:
	@command -v uv > /dev/null && uv venv -q --allow-existing -p $(PYTHON) .venv || $(PYTHON) -m venv .venv
	@test -x .venv/bin/uv || { command -v uv > /dev/null && uv pip install -q -p .venv uv; } || .venv/bin/pip install -q uv

.venv/.demo: .venv/bin/uv pyproject.toml hatch_build.py requirements.lock ui/package-lock.json
	$(BIN)/uv pip install -p .venv -e . --group demo -c requirements.lock --compile-bytecode
	@touch $@

.venv/.dev: .venv/bin/uv pyproject.toml hatch_build.py requirements.lock ui/package-lock.json
	$(BIN)/uv pip install -p .venv -e . --group dev -c requirements.lock --compile-bytecode
	@touch .venv/.demo $@

.flavours/.ready: .venv/bin/uv pyproject.toml hatch_build.py requirements.lock ui/package-lock.json
	$(BIN)/uv venv -q --allow-existing -p $(BIN)/python .flavours
	$(BIN)/uv pip install -p .flavours -e . --group flavours -c requirements.lock
	@touch $@

.venv/.docs: .venv/.demo
	$(BIN)/uv pip install -q -p .venv --group docs
	@touch $@

chromium:
	@command -v chromium > /dev/null || bash .ci/chromium

# the power cut's tests compile the library that watches a server's disk
compiler:
	@[ "$$(uname)" != Linux ] || command -v cc > /dev/null || bash .ci/compiler

clean:
	rm -rf .venv .flavours .demo site build dist ui/node_modules src/helicline/web .mypy_cache .ruff_cache .pytest_cache .hypothesis
