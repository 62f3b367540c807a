# cloudfarm: the commands people type. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test rights check soak mutants drill image reproducible sbom up down bench bench-large generate

# The control plane, its kubeconfig and its logs live here; kept out of git, removed by `make down`.
DEV := target/dev

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

demo: ## see it work: control plane, operator, examples/, a summary (CLUSTER=current uses your own kubeconfig)
	@CLUSTER=$(CLUSTER) tests/demo.sh $(DEV)

test: ## every test, on a clean checkout
	@tests/controlplane/build.sh etcd kubernetes kwok kubevirt-servers charts helm-docs gitops node oracle mailpit oidc >/dev/null
	@rm -rf target/rights
	@CLOUDFARM_RIGHTS=$(CURDIR)/target/rights RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} cargo test --locked --no-fail-fast

rights: ## compare the rights that roles give with those that the last `make test` used
	@CLOUDFARM_RIGHTS=$(CURDIR)/target/rights cargo test --locked --test least_rights -- --nocapture

soak: ## 10,000 random histories of ten years in the erasure simulator
	@CLOUDFARM_HISTORIES=10000 cargo test --locked --release --test simulator -- --nocapture

drill: ## let the API server hang for five minutes under two replicas
	@CLOUDFARM_HANG_SECONDS=300 cargo test --locked --test availability -- --nocapture an_api_server

check: ## format, lints, generated files, dependencies
	@cargo fmt --check
	@cargo clippy --locked --all-targets -- -D warnings
	@cargo test --locked --quiet --test generated
	@tests/cargo-deny.sh

mutants: ## change each deciding line of the erasure by itself and see a test fail (about an hour)
	@tests/mutants.sh

image: ## the release build as an OCI image, target/image/cloudfarm.tar, without a container engine
	@tests/image/build.sh release target/image

reproducible: ## build the image of the last commit twice, in two folders, and compare
	@tests/image/reproducible.sh

sbom: ## what is in the program: target/sbom/cloudfarm.cdx.json
	@tests/sbom.sh target/sbom/cloudfarm.cdx.json

up: ## leave a control plane and the operator running
	@tests/up.sh $(DEV)

down: ## stop them and remove their data
	@tests/down.sh $(DEV)

bench: ## the numbers of ARCHITECTURE.md for 100 and 1,000 tenants, against a bare client
	@tests/controlplane/build.sh etcd kubernetes kwok >/dev/null
	@cargo build --locked --release --bin cloudfarm
	@cargo bench --locked --quiet --profile release --bench scale -- --tenants 100,1000 --runs 3

bench-large: ## the same for 10,000 tenants
	@tests/controlplane/build.sh etcd kubernetes kwok >/dev/null
	@cargo build --locked --release --bin cloudfarm
	@cargo bench --locked --quiet --profile release --bench scale -- --tenants 10000 --runs 1

generate: ## crds/, their API reference, the clauses, what the charts hold of them and of roles and policies
	@cargo run --quiet --locked -- crds --dir crds
	@mkdir -p charts/cloudfarm-crds/generated
	@cp crds/*.yaml charts/cloudfarm-crds/generated/
	@mkdir -p charts/cloudfarm/generated
	@cargo run --quiet --locked -- manifests > charts/cloudfarm/generated/manifests.yaml
	@cargo run --quiet --locked -- manifests --probe > charts/cloudfarm/generated/probe.yaml
	@cargo run --quiet --locked -- manifests --sessions > charts/cloudfarm/generated/sessions.yaml
	@$$(tests/controlplane/build.sh helm-docs)/helm-docs --log-level warning --chart-search-root charts/cloudfarm --template-files README.md.gotmpl
