# divvy: make help lists what there is.
SHELL := /bin/bash

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS  = -s -w \
  -X main.version=$(VERSION) -X main.commit=$(COMMIT) \
  -X github.com/grafana/alloy/syntax/internal/stdlib.Version=$(VERSION)
export CGO_ENABLED ?= 0

# Packages of the quick loop: all but the tests over real processes.
PACKAGES = $(shell $(GO) list ./... | grep -v /e2e)

.DEFAULT_GOAL := help
.PHONY: help build demo check test race e2e kube kubeserver ui mixin fuzz bench update hooks fmt cover clean examples

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

build: ## build ./divvy
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o divvy ./cmd/divvy

demo: build ## targets, three nodes and a receiver in your terminal; DEMO= takes flags
	./divvy demo $(DEMO)

check: ## what a commit needs: format, vet, staticcheck, architecture, short tests
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt -w these:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -short $(PACKAGES)

race: ## short tests under the race detector (wants a C compiler)
	@GO=$(GO) ./.ci/race $(PACKAGES)

test: ## everything: check, race detector, fuzz corpora and a minute of fuzzing, real processes
	@./.ci/install
	$(MAKE) check
	$(MAKE) race
	@$(MAKE) kubeserver || echo "there is no API server: what needs one is skipped"
	$(GO) test $(PACKAGES)
	$(MAKE) fuzz T=5s
	$(MAKE) mixin
	$(MAKE) e2e
	$(MAKE) kube
	$(MAKE) ui

e2e: build ## the built binary, driven from outside
	$(GO) test -count=1 -timeout 30m -skip '^TestKubernetes' -v ./e2e | grep -E '^(=== RUN|\s*--- |PASS|FAIL|ok|panic)|_test.go' ; exit $${PIPESTATUS[0]}

KUBESERVER = e2e/kubeserver/.cache

$(KUBESERVER)/%: e2e/kubeserver/go.mod e2e/kubeserver/%/main.go
	cd e2e/kubeserver && CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o .cache/$* ./$*

kubeserver: $(KUBESERVER)/apiserver $(KUBESERVER)/etcd ## kube-apiserver and etcd, for tests; the first time takes minutes

kube: build ## three nodes before a real Kubernetes API server
	@$(MAKE) kubeserver || echo "there is no API server: what needs one is skipped"
	$(GO) test -count=1 -timeout 15m -run '^TestKubernetes' -v ./e2e -binary=../divvy | grep -E '^(=== RUN|\s*--- |PASS|FAIL|ok|panic)|_test.go' ; exit $${PIPESTATUS[0]}

ui: build ## the pages of real nodes in Chromium; pictures in e2e/ui/screenshots
	cd e2e/ui && $(GO) vet ./... && $(GO) test -count=1 -timeout 10m -v ./... -binary=../../divvy | grep -vE '^=== (RUN|PAUSE|CONT)' ; exit $${PIPESTATUS[0]}

PROMTOOL = bench/.cache/promtool
MIXIN    = deploy/mixin

$(PROMTOOL): bench/peers/go.mod
	cd bench/peers && CGO_ENABLED=0 $(GO) build -trimpath -tags remove_all_sd -ldflags '-s -w' -o ../../$@ github.com/prometheus/prometheus/cmd/promtool

mixin: $(PROMTOOL) ## alerts, each both ways; the first time builds promtool, which takes minutes
	$(PROMTOOL) check rules $(MIXIN)/alerts.yaml $(MIXIN)/rules.yaml
	$(PROMTOOL) test rules $(MIXIN)/alerts_test.yaml

fuzz: ## fuzz every reader of foreign bytes for T each (default 30s)
	@./.ci/fuzz $(or $(T),30s)

bench: ## divvy beside vmagent and Prometheus: one fleet, one sink, one table; BENCH= takes flags (-list, -scenario)
	./bench/run.sh $(BENCH)

update: ## rewrite golden files; read the diff before committing it
	$(GO) test ./... -short -update

cover: ## coverage of the quick loop, in cover.html
	$(GO) test -short -coverprofile=cover.out $(PACKAGES)
	$(GO) tool cover -html=cover.out -o cover.html

hooks: ## run make check before every commit
	git config core.hooksPath .githooks

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

clean: ## remove what was built
	rm -rf divvy cover.out cover.html .cache bench/.cache e2e/kubeserver/.cache
