//! The process that examines uploads reaches nothing but its file.

use serde_json::{Value, json};

use crate::support::run;

#[tokio::test(flavor = "multi_thread")]
async fn a_confined_process_opens_no_file_and_no_socket_and_reaches_no_other_process() {
    let (code, told, error) = run(&Vec::new(), &["examine", "--probe"]).await;
    assert_eq!(code, 0, "{error}");
    let probed: Value = serde_json::from_str(&told).unwrap();
    let expected = json!({
        "landlock": has_landlock(), "seccomp": cfg!(target_os = "linux"),
        "files": !cfg!(target_os = "linux"), "network": !cfg!(target_os = "linux"), "processes": !cfg!(target_os = "linux"),
    });
    assert_eq!(probed, expected);
}

/// Whether this kernel has Landlock. Creating a set of rules restricts nothing.
#[cfg(target_os = "linux")]
fn has_landlock() -> bool {
    use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
    let hard = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    hard.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn has_landlock() -> bool {
    false
}
