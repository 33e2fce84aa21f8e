//! The commands that the chart's README shows can be typed as they stand.

use super::{chart, pods_are_confined, render, the_configuration_is_vigies_own};
use crate::support::tree;
use serde_json::{Value, json};

/// Each `helm install` of the README, its lines joined.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(tree::root().join("helm/vigie/README.md")).expect("the chart's README");
    let text = text.replace("\\\n", " ");
    text.lines().filter(|line| line.starts_with("helm install ")).map(str::to_owned).collect()
}

/// What `--set a.b=c` says, as values.
fn values(command: &str) -> Value {
    let mut values = json!({});
    let mut words = command.split_whitespace();
    while let Some(word) = words.next() {
        if word != "--set" {
            continue;
        }
        let (path, value) = words.next().and_then(|pair| pair.split_once('=')).expect("a pair");
        let pointed = path.split('.').fold(&mut values, |at, key| &mut at[key]);
        *pointed = match value {
            "true" => true.into(),
            text => text.into(),
        };
    }
    values
}

#[tokio::test]
async fn commands_can_be_typed_as_they_stand() {
    let commands = commands();
    assert!(!commands.is_empty(), "no command was found");
    for command in commands {
        let rendered = render(&chart(), &[("shown", values(&command), "1.34")]).await.remove(0).good(&command);
        pods_are_confined(&rendered, &command);
        the_configuration_is_vigies_own(&rendered, &command);
        assert!(rendered.notes().contains("https://crm-vigie.crm.svc:8080"), "{}", rendered.notes());
    }
}
