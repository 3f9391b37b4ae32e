//! `primetrade demo`: everything in one folder, a clean stop, and recovery after a crash.

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Actor, Program};

const DEMO: [&str; 5] = ["demo", "--data-dir", "data", "--port", "0"];
const OFFICE: (&str, &str) = ("dana.whitfield@primetrade.example", "scale-house-before-dawn-09");
const LOGIN: (&str, &str) = ("carla.jennings@miamivalley.example", "pig-iron-by-the-river-01");

fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::with_prefix("primetrade-demo-").unwrap();
    // Under root, Postgres runs as another user, who needs access.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn postgres_pid(folder: &TempDir) -> Option<i32> {
    let state = std::fs::read_to_string(folder.path().join("data/postgres/postmaster.pid")).ok()?;
    state.lines().next()?.trim().parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_serves_stops_cleanly_and_comes_back_with_the_same_data() {
    let folder = folder();
    let mut program = Program::start(folder.path(), &[], &DEMO);
    let address = program.address().await;
    let actor = Actor::new(&address).log_in(LOGIN.0, LOGIN.1).await;
    let list = actor.get("/bols").await;
    let number = list.all("tbody .number").remove(0);
    let link = actor.get(&format!("/bols/{number}/download")).await;
    let file = actor.get(link.header("location")).await;
    assert!(file.body.starts_with(b"%PDF-1.7"));

    // A dozen documents wait in the inbox, each for its own reason.
    let office = Actor::new(&address).log_in(OFFICE.0, OFFICE.1).await;
    let inbox = office.get("/office/inbox").await;
    let reasons = inbox.all(".intake .why").join("\n");
    assert_eq!(inbox.all(".intake > li").len(), 12, "{reasons}");
    for reason in
        ["No BOL number", "different BOLs", "doesn't exist", "is void", "script", "attached files", "an invoice"]
    {
        assert!(reasons.contains(reason), "{reason} in\n{reasons}");
    }
    assert_eq!(inbox.all(".intake h2").iter().filter(|name| *name == "scan.pdf").count(), 2);

    let second = Program::start(folder.path(), &[], &DEMO);
    let (code, stderr) = second.end().await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("another primetrade") && stderr.contains("is running on"), "{stderr}");

    let postgres = postgres_pid(&folder).expect("Postgres runs");
    program.signal(Signal::INT);
    assert_eq!(program.end().await.0, Some(0));
    assert!(!is_alive(postgres), "Postgres has been stopped");
    assert_eq!(postgres_pid(&folder), None, "cleanly");

    let mut program = Program::start(folder.path(), &[], &DEMO);
    let again = actor.at(&program.address().await);
    let list = again.get("/bols").await;
    assert_eq!(list.status, 200, "the session outlives a restart");
    assert_eq!(list.all("tbody .number").remove(0), number);
    // After a crash Postgres still runs, and the next start recovers it.
    let postgres = postgres_pid(&folder).expect("Postgres runs");
    program.signal(Signal::KILL);
    assert_eq!(program.end().await.0, None);
    kill(postgres);
    // By now its process id may belong to another process, which must not be killed.
    let mut bystander = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid_file = folder.path().join("data/postgres/postmaster.pid");
    if let Ok(state) = std::fs::read_to_string(&pid_file) {
        std::fs::write(&pid_file, state.replacen(&postgres.to_string(), &bystander.id().to_string(), 1)).unwrap();
    }
    let mut program = Program::start(folder.path(), &[], &DEMO);
    assert_eq!(again.at(&program.address().await).get("/bols").await.status, 200);
    program.signal(Signal::TERM);
    assert_eq!(program.end().await.0, Some(0));
    assert!(bystander.try_wait().unwrap().is_none(), "a bystander was stopped");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

fn is_alive(pid: i32) -> bool {
    rustix::process::Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}
