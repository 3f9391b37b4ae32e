.DEFAULT_GOAL := help
.PHONY: help run test check fmt audit release bench bench-scale screenshots

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve http://127.0.0.1:8080 with a private Postgres, local files and sample data in data/
	@scripts/need postgres
	@[ -e target/debug/primetrade ] || echo "building the portal for the first time: about eight minutes on two cores; after that it starts in seconds"
	@# Not optimized, which saves a third of the build. The dependencies serve the tests too.
	@exec cargo run --locked -- demo

test: ## Install what the tests need, run every test, and say how many passed
	@scripts/need postgres chromium pdftools clamd smtpd openpyxl cryptography ministack axe oidc pgbouncer openmetrics promtool standardwebhooks
	@[ -e target/debug/primetrade ] || echo "building the tests for the first time: about ten minutes on two cores; the tests then take about twenty"
	@scripts/test

check: ## Check formatting, lints and the direction of imports, as CI does before the tests
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	@# Compiles all tests at once, so that no core waits for another.
	cargo test --locked --no-run
	cargo test --locked --test it -- house::direction

fmt: ## Format the Rust code
	cargo fmt

audit: ## Check licenses, sources and known faults of the crates (installs cargo deny on the first run)
	@scripts/need cargo-deny
	@scripts/audit

release: ## Build target/release/primetrade with the list of its crates inside, and its SBOM (CycloneDX) beside it
	@scripts/need cargo-auditable cargo-cyclonedx
	@scripts/release

bench: ## Measure printing, pages and downloads per second, compared with pgbench (about two minutes after the build)
	@scripts/need postgres wrk
	cargo bench --locked --bench portal

bench-scale: ## Measure pages of a portal with a million BOLs (about ten minutes after the build, 4 GB in /tmp)
	@scripts/need postgres
	cargo bench --locked --bench portal -- scale

screenshots: ## Take the screenshots in docs/images with Chromium over the demo
	@scripts/need postgres chromium
	@scripts/screenshots
