# SPDX-License-Identifier: Apache-2.0
# `make` lists the targets. The work is done by playbooks and by the scripts in tests/; this file only names it.
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help environment demo demo-down demo-bgp demo-bgp-down compare-cni clean-cache test test-fast bench mutations faults lint types sanity docs unit contract collection requirements

bin := .venv/bin
bgp := ANSIBLE_DISPLAY_SKIPPED_HOSTS=False $(bin)/ansible-playbook -i inventories/lab_bgp
# Two cores are what the project promises to be tested on; more are used when there are more.
pytest := $(bin)/pytest --numprocesses auto --dist worksteal

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

environment: ## the controller's Python environment, in the cache folder
	@.config/environment.sh

# ENGINE=k3s|kubeadm|standin and SOURCE=release|airgap|bundle choose. Make hands variables of its command line on.
demo: environment ## start three machines, make a cluster, fetch a page from outside: by k3s's release, or built from source
	@time $(bin)/python tests/demo/demo.py up

demo-bgp: environment ## three networks with BGP routers, and a page that is read by its name from a house
	@time $(bgp) playbooks/bundle.yml molecule/bgp/create.yml playbooks/routers.yml playbooks/site.yml tests/demo/demo.yml playbooks/status.yml

demo-bgp-down: environment ## take away what `make demo-bgp` made
	@$(bgp) playbooks/lab_down.yml

compare-cni: environment ## a cluster for each pod network that can run here: numbers, table and plot in build/reports/compare-cni
	@$(bin)/python tests/compare/compare.py $(ARGS)

demo-down: environment ## take away what `make demo` made; what it fetched or built stays in the cache
	@$(bin)/python tests/demo/demo.py down

test: environment ## everything that CI runs
	@$(bin)/python tests/steps.py all

test-fast: environment ## unit and contract tests
	@$(bin)/python tests/steps.py unit contract

bench: environment ## measure; JSON in build/bench.json (`make bench ARGS=--cold-bundle` also builds all anew)
	@$(bin)/python tests/benchmarks/bench.py $(ARGS)

mutations: environment ## break a living cluster in many ways and demand that the verification sees each
	@$(bin)/python tests/mutations/mutate.py $(ARGS)

faults: environment ## interrupt site.yml in every way and demand that the next run repairs it (`make faults ARGS=--short`)
	@$(bin)/python tests/faults/faults.py $(ARGS)

unit: environment ## unit tests
	@$(pytest) tests/unit

contract: environment ## all contract tests
	@$(pytest) tests/contract

lint: environment ## ruff, yamllint, ansible-lint, licence headers
	@$(pytest) tests/contract/test_style.py tests/contract/test_ansible_lint.py

types: environment ## mypy --strict
	@$(pytest) tests/contract/test_types.py

sanity: environment ## ansible-test sanity
	@$(pytest) tests/contract/test_sanity.py

docs: environment ## documentation of plugins and roles, changelog, links
	@$(pytest) tests/contract/test_docs.py

clean-cache: environment ## say what of the cache is no longer used; `make clean-cache CONFIRM=yes` removes it
	@$(bin)/python .config/clean_cache.py --confirm=$(CONFIRM)

collection: environment ## the artefact for Galaxy, in build/
	@$(bin)/ansible-galaxy collection build --force --output-path build .

requirements: environment ## resolve .config/requirements.in anew, with hashes
	@$(bin)/uv pip compile --quiet --universal --generate-hashes --python-version 3.12 --no-header -o .config/requirements.txt .config/requirements.in
	@$(bin)/uv pip compile --quiet --universal --generate-hashes --python-version 3.12 --no-header -c .config/requirements.txt -o .config/requirements-plots.txt .config/requirements-plots.in
