# Needs Go, Node.js with npm and gcc. Everything else is fetched when it is needed.
MAKEFLAGS += --no-print-directory
SHELL := bash
.DEFAULT_GOAL := help

ADDR     ?= 127.0.0.1:3000
FUZZTIME ?= 20s
COUNT    ?= 20

.PHONY: help run test client-dist unit race conformance e2e browser fuzz bench bench-quick bench-record stress lint fmt docs clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' Makefile | { if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }

run: ## serve the demo chat (ADDR=127.0.0.1:3000)
	@tools/fetch-client-dist.sh --tolerant
	@go run ./cmd/roomwire dev --addr $(ADDR)

test: ## everything: vet, format, lint, unit, race, e2e, browser, fuzz seeds
	@tools/check.sh

client-dist: ## fetch the browser client that the server embeds
	@tools/fetch-client-dist.sh

unit: ## the Go tests of every module, without the race detector
	@tools/check.sh unit

race: ## the Go tests of the core, with the race detector
	@tools/check.sh race

conformance: ## our own protocol cases against the fixture server
	@go test -race -count=1 ./conformance/...

e2e: client-dist ## the official clients, old and new, over every transport
	@tools/check.sh e2e

browser: client-dist ## the chat page in two tabs of headless Chromium
	@tools/check.sh browser

fuzz: ## each fuzz target for a while (FUZZTIME=20s)
	@tools/fuzz.sh $(FUZZTIME)

bench: ## the benchmarks against Node.js and the raw limit; takes long
	@tools/fetch-client-dist.sh --tolerant
	@go run ./bench

bench-quick: ## the main rows of the benchmarks in under five minutes
	@tools/fetch-client-dist.sh --tolerant
	@go run ./bench -quick

RECORD ?= bench/results/$(shell date -u +%Y-%m-%d)
bench-record: ## the record of a release into bench/results, on an idle machine; 40 minutes
	@go build -o bin/bench/bench ./bench
	@bin/bench/bench -out $(RECORD)
	@bin/bench/bench -quick -unpinned -rounds 10 -compare $(RECORD).jsonl -out $(RECORD)-unpinned
	@bin/bench/bench -next -out $(RECORD)-next

stress: ## everything at once, seeded and checked (COUNT=20 seeds)
	@go build -race -o bin/stress ./stress
	@for seed in $$(seq 1 $(COUNT)); do bin/stress -seed $$seed -for 20s || exit 1; done

lint: ## the pinned linters
	@tools/check.sh vet format lint

fmt: ## rewrite the sources as the linters want them
	@tools/lint.sh --fix

docs: client-dist ## make the screenshots of the README anew
	@tools/screenshots.sh

clean: ## remove what was built or fetched
	@rm -rf bin .cache e2e/node_modules
	@find sio/client-dist -type f ! -name README.md -delete
