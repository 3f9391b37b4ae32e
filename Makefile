.PHONY: run test bench

# Serves http://127.0.0.1:8080 with a private Postgres, local files and sample data in data/.
run:
	@scripts/need postgres
	@exec cargo run --locked --release -- demo

# Every test, on real parts: Postgres, an S3 server, Chromium, clamd, an SMTP server; poppler and qpdf read what is printed.
test:
	@scripts/need postgres chromium pdftools clamd smtpd openpyxl cryptography ministack
	@scripts/test

# Pages and downloads a second, beside pgbench with the same statements. Takes some two minutes after the build.
bench:
	@scripts/need postgres wrk
	cargo bench --locked --bench portal
