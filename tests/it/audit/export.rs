//! Exports: the same events in every format, from the page and from the command line. An export is complete or visibly
//! broken, and always recorded.

use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::support::{Action, Answer, App, EventRow, Outcome, World, primetrade, python};

/// Reads a file with common libraries of its format, and prints the texts of each row as JSON.
const READ: &str = r#"
import csv, io, json, sys
format, data = sys.argv[1], sys.stdin.buffer.read()
def back(cell):
    return cell[1:] if isinstance(cell, str) and cell.startswith("'") else cell
if format == "csv":
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    end = rows.pop()
    assert end["id"] == "END" and json.loads(end["detail"])["rows"] == len(rows), end
    for row in rows:
        assert not row["user_agent"][:1] in "=+-@\t\r" or row["user_agent"] == "", row
    rows = [{name: back(cell) for name, cell in row.items()} for row in rows]
elif format == "jsonl":
    rows = [json.loads(line, parse_float=str) for line in data.decode().split("\n")[:-1]]
    assert rows.pop()["end"]["rows"] == len(rows)
    for row in rows:
        row["detail"] = json.dumps(row["detail"], ensure_ascii=False)
else:
    import datetime, openpyxl, zoneinfo
    from openpyxl.utils.escape import unescape
    book = openpyxl.load_workbook(io.BytesIO(data))
    *sheets, complete = book.worksheets
    rows = []
    for sheet in sheets:
        header, *more = sheet.iter_rows()
        assert all(cell.data_type != "f" for row in more for cell in row)
        # Excel filters by the dates in the first column, and the header stays in sight.
        assert header[0].value == "Time (America/New_York)" and all(cell.font.bold for cell in header), header
        assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref == f"A1:R{len(more) + 1}", sheet.auto_filter.ref
        assert all(sheet.column_dimensions[cell.column_letter].width >= 12 for cell in header)
        assert header[1].value == "id" and header[2].value == "occurred_at", header
        for row in more:
            assert row[0].is_date and row[0].number_format == r"yyyy\-mm\-dd\ hh:mm:ss", row[0].number_format
            utc = datetime.datetime.fromisoformat(row[2].value)
            local = utc.astimezone(zoneinfo.ZoneInfo("America/New_York")).replace(tzinfo=None, microsecond=0)
            assert row[0].value == local, (row[0].value, local)
        header, more = header[1:], [row[1:] for row in more]
        names = [cell.value for cell in header]
        rows += [dict(zip(names, (back(unescape(cell.value) if isinstance(cell.value, str) else cell.value) for cell in row))) for row in more]
    assert complete.title == "Complete" and [cell.value for cell in complete[1]] == ["rows", len(rows)]
for row in rows:
    print(json.dumps([str(row["id"]), row["user_agent"] or "", row["file_name"] or "", row["ip"], row["sha256"], str(row["document_id"]), row["user_role"] or "",
                      json.loads(row["detail"]).get("said"), "12345678901234567890123.50" in row["detail"], list(row) if row is rows[0] else 0]))
"#;

const COLUMNS: &str = r#"["id","occurred_at","action","outcome","user_email","user_role","customer_code","bol_number","document_id","document_kind","file_name","object_key","sha256","ip","user_agent","request_id","detail"]"#;

async fn read(format: &str, data: &[u8]) -> Vec<serde_json::Value> {
    let mut child = tokio::process::Command::new(python())
        .args(["-c", READ, format])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, data) = (child.stdin.take().unwrap(), data.to_vec());
    let fed = tokio::spawn(async move { stdin.write_all(&data).await });
    let output = child.wait_with_output().await.unwrap();
    fed.await.unwrap().unwrap();
    assert!(output.status.success(), "{format}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sum_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A hostile event as [`READ`] prints it.
fn as_read(event: &EventRow) -> serde_json::Value {
    let (id, document) = (event.id.to_string(), event.document_id.unwrap().to_string());
    let sum = hex::encode(event.sha256.as_ref().unwrap());
    json!([id, event.user_agent, event.file_name, event.host(), sum, document, "", event.user_agent, true, 0])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_returns_hostile_events_unchanged() {
    let app = App::start().await;
    app.add_hostile_events().await;
    let auditor = app.auditor().await;
    let events = app.events().await.filter(|event| event.email() == "x@y.example");
    let mut expected: Vec<serde_json::Value> = events.iter().rev().map(as_read).collect();
    expected[0][9] = serde_json::from_str(COLUMNS).unwrap();
    assert_eq!(expected.len(), 22);
    let filter = "from=2026-03-01&to=2026-03-01&user=X@y.example";
    let page = auditor.get(&format!("/audit?{filter}")).await;
    // The buttons are in the form, so they export what its fields say.
    assert_eq!(page.attributes("form.filters button[name=format]", "value"), ["xlsx", "csv", "jsonl"]);
    for format in ["csv", "jsonl", "xlsx"] {
        let answer = auditor.get(&format!("/audit/export?{filter}&format={format}")).await;
        assert_eq!(answer.status, 200, "{format}");
        let name = answer.header("content-disposition").to_owned();
        assert!(
            name.starts_with("attachment; filename=\"access-log-2") && name.ends_with(&format!(".{format}\"")),
            "{name}"
        );
        let found = read(format, &answer.body).await;
        assert_eq!(found.len(), expected.len(), "{format}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{format}");
        }
        if format != "xlsx" {
            expect_a_closing_record(&answer.body);
        }
        expect_the_same_from_the_command_line(&app, format, &answer.body).await;
        expect_two_events_of_the_export(&app, format, &answer.body).await;
    }
}

/// The closing record vouches for every byte before it.
fn expect_a_closing_record(file: &[u8]) {
    let lines = &file[..file.len() - 1];
    let end = lines.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    assert!(String::from_utf8_lossy(&file[end..]).contains(&sum_of(&file[..end])));
}

/// The command writes the same bytes, to standard output and into a file.
async fn expect_the_same_from_the_command_line(app: &App, format: &str, file: &[u8]) {
    let wishes =
        ["audit", "export", "--format", format, "--from", "2026-03-01", "--to", "2026-03-01", "--user", "x@y.example"];
    let output = primetrade(app.environment(), &wishes, "").await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == file, "{format}");
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("log");
    let mut wishes = wishes.to_vec();
    wishes.extend(["--output", path.to_str().unwrap()]);
    assert_eq!(primetrade(app.environment(), &wishes, "").await.status.code(), Some(0));
    assert!(std::fs::read(&path).unwrap() == file, "{format}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
}

/// The export is recorded with its filter, its size and the SHA-256 of the file.
async fn expect_two_events_of_the_export(app: &App, format: &str, file: &[u8]) {
    let exports = app.events().await.any_of(&[Action::AuditExportBegun, Action::AuditExported]);
    let exports = exports.filter(|event| event.email() == World::AUDITOR && event.detail("format") == format);
    let recorded = exports.list(|event| {
        let from = event.detail["filter"]["from"].as_str().unwrap();
        let sha256 = event.sha256.as_ref().map(hex::encode);
        (event.action.as_str(), event.outcome.as_str(), sha256, event.detail("rows"), event.detail("bytes"), from)
    });
    let none = || "-".to_owned();
    let expected = [
        ("AUDIT_EXPORT_BEGUN", "success", None, none(), none(), "2026-03-01"),
        ("AUDIT_EXPORTED", "success", Some(sum_of(file)), "22".into(), file.len().to_string(), "2026-03-01"),
    ];
    assert_eq!(recorded, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_auditors_export_and_wrong_filters_are_named() {
    let app = App::start().await;
    let stranger = app.stranger().get("/audit/export?format=csv").await;
    assert_eq!((stranger.status, stranger.header("location")), (303, "/login?next=%2Faudit%2Fexport%3Fformat%3Dcsv"));
    for email in [World::ACME, World::RIVAL, World::OFFICE] {
        assert_eq!(app.user(email).await.get("/audit/export?format=csv").await.status, 403, "{email}");
    }
    assert!(app.events().await.any_of(&[Action::AuditExportBegun, Action::AuditExported]).is_empty());
    let admin = app.user(World::ADMIN).await;
    for wrong in [
        "",
        "?format=pdf",
        "?format=csv&from=yesterday",
        "?format=csv&action=NOTHING",
        "?format=csv&from=2026-02-01&to=2026-01-01",
    ] {
        let answer = admin.get(&format!("/audit/export{wrong}")).await;
        assert_eq!(answer.status, 422, "{wrong}");
    }
    // An export without events is a complete file too.
    let nothing = admin.get("/audit/export?format=csv&number=PRT-1999-0001").await;
    let header = COLUMNS.replace(['[', ']', '"'], "");
    let closing = format!(
        "END,,EXPORT_COMPLETE{}\"{{\"\"rows\"\": 0, \"\"sha256\"\": \"\"{}\"\"}}\"",
        ",".repeat(14),
        sum_of(format!("{header}\n").as_bytes())
    );
    assert_eq!(nothing.text(), format!("{header}\n{closing}\n"));
    assert!(read("xlsx", &admin.get("/audit/export?format=xlsx&number=PRT-1999-0001").await.body).await.is_empty());
    for (arguments, code, says) in [
        (vec!["--format", "pdf"], 2, "csv, jsonl or xlsx"),
        (vec!["--format", "csv", "--from", "2026-02-30"], 2, "from: Not a valid date"),
        (vec!["--format", "csv", "--output", "/nowhere/at/all.csv"], 2, "/nowhere/at/all.csv"),
        (vec!["--format", "csv", "--output", "/tmp"], 2, "directory"),
    ] {
        let output = primetrade(app.environment(), &[&["audit", "export"], arguments.as_slice()].concat(), "").await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(says), "{arguments:?}: {said}");
    }
}

/// Reads the beginning of an export, then stops.
async fn begun(app: &App, format: &str) -> Response {
    let auditor = app.auditor().await;
    let answer = auditor.request(Method::GET, &format!("/audit/export?format={format}")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer
}

/// Inserts more events than fit into all buffers between database and reader.
async fn many_events(app: &App) {
    app.sql("ALTER TABLE audit_events DISABLE TRIGGER audit_events_opens; \
             INSERT INTO audit_events (action, outcome, user_agent) SELECT 'BOL_VIEWED', 'success', repeat('agent ', 150) FROM generate_series(1, 30000)").await;
}

/// The connections that read the log for an export.
const READING: &str = "pg_stat_activity WHERE state <> 'idle' AND datname = current_database() AND pid <> pg_backend_pid() \
    AND query LIKE '%audit_events%' AND query NOT LIKE '%audit_leaves%'";

async fn wait_for_readers(app: &App, count: usize) {
    for _ in 0..100 {
        if app.count(READING).await == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} connections read the log, not {count}", app.count(READING).await);
}

/// Waits until the end of the only export is recorded. Whole ones have at least the 30,000 events of [`many_events`].
async fn wait_for_the_end(app: &App, outcome: Outcome, reason: &str, is_whole: bool) {
    app.events_until(Action::AuditExported, |ended| {
        let [ended] = ended else { return false };
        let has_all = ended.detail("rows").parse::<usize>().unwrap() >= 30_000;
        (ended.outcome.as_str(), ended.detail("reason").as_str(), has_all) == (outcome.as_str(), reason, is_whole)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_the_whole_export() {
    let app = App::start().await;
    many_events(&app).await;
    // The time limit of every other statement.
    app.sql("DO $$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I SET statement_timeout = ''1s''', current_user, current_database()); END $$").await;
    let answer = begun(&app, "csv").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(app.count(READING).await, 1, "it waits for the reader");
    let all = answer.bytes().await.unwrap();
    assert!(read("csv", &all).await.len() >= 30_000);
    wait_for_the_end(&app, Outcome::Success, "-", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_export_looks_broken_and_is_recorded() {
    for format in ["csv", "jsonl", "xlsx"] {
        let app = App::start().await;
        many_events(&app).await;
        let mut answer = begun(&app, format).await;
        wait_for_readers(&app, 1).await;
        app.sql(&format!("SELECT pg_terminate_backend(pid) FROM {READING}")).await;
        let mut all = Vec::new();
        let error = loop {
            match answer.chunk().await {
                Ok(Some(part)) => all.extend_from_slice(&part),
                Ok(None) => panic!("{format}: it looks whole"),
                Err(error) => break error,
            }
        };
        assert!(error.is_body() || error.is_decode() || error.is_request(), "{error:?}");
        let end = String::from_utf8_lossy(&all[all.len().saturating_sub(400)..]).into_owned();
        assert!(!end.contains("EXPORT_COMPLETE") && !end.contains("\"end\""), "{format}: {end}");
        assert!(format != "xlsx" || zip::ZipArchive::new(std::io::Cursor::new(all)).is_err());
        wait_for_the_end(&app, Outcome::Failed, "broken off", false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_holds_no_resources() {
    let mut app = App::start().await;
    many_events(&app).await;
    let answer = begun(&app, "jsonl").await;
    wait_for_readers(&app, 1).await;
    drop(answer);
    wait_for_the_end(&app, Outcome::Failed, "broken off", false).await;
    wait_for_readers(&app, 0).await;
    // A login runs two exports at once, on whichever instance, and a process four.
    app.new_user("second@terminal.example").role("auditor").create().await;
    let second = app.second().await;
    let mut open = Vec::new();
    for email in [World::AUDITOR, World::ADMIN] {
        let actor = app.user(email).await;
        for _ in 0..2 {
            open.push(actor.request(Method::GET, "/audit/export?format=jsonl").send().await.unwrap());
        }
        for url in [&app.url, &second] {
            let refused = actor.at(url).get("/audit/export?format=csv").await;
            assert_eq!((refused.status, refused.one("h1")), (429, "Too many at once".into()));
            assert_eq!(actor.at(url).get("/audit/pack").await.status, 429);
        }
    }
    assert!(open.iter().all(|answer| answer.status() == 200));
    let busy: Answer = app.user("second@terminal.example").await.get("/audit/export?format=csv").await;
    assert_eq!(busy.status, 503);
    assert!(!busy.header("retry-after").is_empty());
    // A slot is free once its response has ended.
    drop(open);
    let auditor = app.auditor().await;
    for _ in 0..100 {
        if auditor.get("/audit/export?format=csv").await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the slots stay taken: {:?}", app.rows("SELECT holder FROM response_slots").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_breaks_off_when_its_auditor_is_disabled() {
    let app = App::start().await;
    many_events(&app).await;
    let admin = app.user(World::ADMIN).await;
    let auditor = app.user_id(World::AUDITOR).await;
    for format in ["csv", "jsonl", "xlsx"] {
        let answer = begun(&app, format).await;
        wait_for_readers(&app, 1).await;
        assert_eq!(admin.post(&format!("/office/users/{auditor}/disable"), &[]).await.status, 303);
        assert!(answer.bytes().await.is_err(), "{format}: and the connection breaks");
        app.events_until(Action::AuditExported, |ended| {
            let ended = ended.last().map(|ended| (ended.outcome.as_str(), ended.detail("reason")));
            ended == Some(("failed", "access was taken away: the login is disabled".into()))
        })
        .await;
        app.sql("UPDATE users SET active = true").await;
    }
}
