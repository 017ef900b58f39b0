//! `hapa keys`: creates, lists and revokes keys, through the API like every other client.

use std::process::ExitCode;

use handshake::Exit;
use serde_json::{Value, json};

use super::client::{Client, Method};
use super::{KeyCommand, KeysArgs};
use crate::config::Config;
use crate::server::{Mode, StartError};

pub(super) async fn run(config: Config, args: KeysArgs) -> Result<ExitCode, StartError> {
    let client = match Client::running(&config) {
        Some(client) => client,
        None => Client::embedded(&config, Mode::Manage).await?,
    };
    match answer(&client, &args.command).await {
        Ok(answer) if args.json => println!("{answer:#}"),
        Ok(answer) => print!("{}", describe(&args.command, &answer)),
        Err(problem) => return Err(StartError::new(Exit::Usage, problem)),
    }
    client.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn answer(client: &Client, command: &KeyCommand) -> Result<Value, String> {
    const KEYS: &str = "/api/v1/keys";
    match command {
        KeyCommand::List => client.send(Method::GET, KEYS, None).await,
        KeyCommand::Create { name, permissions, days, user } => {
            let permissions = (!permissions.is_empty()).then_some(permissions);
            let request = json!({"name": name, "permissions": permissions, "expires_in_days": days, "user": user});
            client.send(Method::POST, KEYS, Some(&request)).await
        }
        KeyCommand::Demo => client.send(Method::POST, KEYS, Some(&json!({"name": "demo", "demo": true}))).await,
        KeyCommand::Revoke { id } => {
            let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            client.send(Method::DELETE, &format!("{KEYS}/{id}"), None).await
        }
    }
}

fn describe(command: &KeyCommand, answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    match command {
        KeyCommand::Create { .. } | KeyCommand::Demo => format!(
            "{}\n\nThis key is shown only once. Send it in the header X-API-Key.\nname         {}\nid           {}\npermissions  {}\nexpires      {}\n",
            text(&answer["key"]),
            text(&answer["name"]),
            text(&answer["id"]),
            names(&answer["permissions"]),
            text(&answer["expires_at"]),
        ),
        KeyCommand::Revoke { .. } => format!("{}\n", text(&answer["message"])),
        KeyCommand::List => {
            let keys = answer["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
            let line = |key: &Value| {
                let until = if key["expired"] == true { "expired".into() } else { day(&key["expires_at"], "no end") };
                format!(
                    "{}  {}  {:<20}  until {:<10}  used {:<10}  {}\n",
                    text(&key["id"]),
                    text(&key["hint"]),
                    text(&key["name"]),
                    until,
                    day(&key["last_used_at"], "never"),
                    names(&key["permissions"])
                )
            };
            keys.iter().map(line).collect()
        }
    }
}

fn day(time: &Value, absent: &str) -> String {
    time.as_str().and_then(|time| time.get(..10)).unwrap_or(absent).to_owned()
}

fn names(list: &Value) -> String {
    let names: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.join(", ")
}
