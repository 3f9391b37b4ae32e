.PHONY: run test bench

# Serves http://127.0.0.1:8080 with a private Postgres, local files and sample data in data/.
run:
	@scripts/need postgres
	cargo build --locked --release
	@exec target/release/primetrade demo

# Every test, on real parts: Postgres, an S3 server, Chromium.
test:
	@scripts/need postgres chromium
	@scripts/test
