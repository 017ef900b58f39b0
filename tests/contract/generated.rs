//! Generated requests: schemathesis calls every operation of the OpenAPI description and checks each response against it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::Program;

/// The deadline of the run.
const TIMEOUT: Duration = Duration::from_secs(600);

#[tokio::test]
async fn schemathesis_finds_nothing() {
    let packages = std::env::var_os("HAPA_TEST_SCHEMATHESIS")
        .expect("`cargo xtask test` names the folder with schemathesis in HAPA_TEST_SCHEMATHESIS");
    let program = Program::start().await;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contract");
    let scratch = tempfile::tempdir().unwrap();
    let mut run = Command::new("python3");
    run.args(["-m", "schemathesis.cli", "--config-file"]).arg(folder.join("schemathesis.toml"));
    run.arg("run").arg(format!("{}/api/openapi.json", program.address));
    run.arg("--header").arg(format!("X-API-Key: {}", program.process.key));
    run.env("SCHEMATHESIS_HOOKS", folder.join("schemathesis_hooks.py"));
    run.env("PYTHONPATH", packages).current_dir(scratch.path()).stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(TIMEOUT, run.output()).await.expect("schemathesis ends in time").expect("python3 can be started");
    let output_text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{output_text}");
    assert!(output_text.contains("generated"), "requests are generated: {output_text}");
    program.stop().await;
}
