//! The help texts, and how the program ends.

use std::fs;
use std::path::Path;

use crate::place::{Place, Ran, program};

const COMMANDS: &str = "ls fleet show why log tail graph audit cancel pause resume step retry resolve decide unpark \
                        rollback signal purge export doctor serve completions";

fn saga(arguments: &[&str]) -> Ran {
    let mut command = program();
    command.args(arguments);
    Ran::of(command)
}

#[test]
fn the_help_can_be_learnt_from() {
    insta::assert_snapshot!("help", saga(&["--help"]).ok());
    let short = COMMANDS
        .split(' ')
        .map(|command| format!("$ saga {command} -h\n{}", saga(&[command, "-h"]).ok()));
    insta::assert_snapshot!("help_of_commands", short.collect::<Vec<_>>().join("\n"));
}

#[test]
fn each_command_is_listed_in_the_help() {
    let help = saga(&["-h"]).ok();
    let listed = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .collect::<Vec<_>>();
    for command in COMMANDS.split(' ') {
        assert!(listed.contains(&command), "{command}: {help}");
    }
}

#[test]
fn the_exit_codes_in_the_help_are_those_of_the_program() {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/failure.rs")).unwrap();
    let codes =
        source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => "));
    let codes = codes
        .filter_map(|(_, code)| code.strip_suffix(',')?.parse::<u8>().ok())
        .collect::<Vec<_>>();
    let help = saga(&["-h"]).ok();
    let listed = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    let listed =
        listed.filter_map(|line| line.trim().split(' ').next()?.parse().ok()).collect::<Vec<u8>>();
    assert_eq!(listed, codes);
    assert_eq!(codes, (0..=9).collect::<Vec<_>>());
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    let cases: [(&[&str], &str); 13] = [
        (&["ls"], "which store?"),
        (&["--store", "mysql://u:secret@h/d", "ls"], "sqlite:PATH, file:DIRECTORY or postgres://"),
        (&["--store", "sqlite:", "ls"], "sqlite:PATH"),
        (&["ls", "--state", "tired"], "[possible values: stuck, parked,"),
        (&["ls", "--older-than", "soon"], "is not a duration"),
        (&["ls", "--limit", "0"], "0 is not in 1..="),
        (&["ls", "--needs-human", "--state", "stuck"], "cannot be used with"),
        (&["cancel", "x"], "--reason"),
        (&["decide", "x", "--node", "a", "--note", "n"], "--succeeded"),
        (&["ls", "--fingerprint", "zz"], "at least 8 hexadecimal digits"),
        (&["ls", "--fingerprint", "c0fcf25"], "at least 8 hexadecimal digits"),
        (&["purge"], "--ended-before"),
        (&["dance"], "unrecognized subcommand 'dance'"),
    ];
    for (arguments, expected) in cases {
        let said = saga(arguments).fails(2);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
        // the same as JSON, if that is asked for
        let json = saga(&[&["--json"], arguments].concat()).fails(2);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["exit_code"], 2);
        let error = json["error"].as_str().unwrap();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(error.contains(&words(expected)) && !error.contains("Usage:"), "{error}");
    }
    let place = Place::sqlite();
    drop(place.worker(&Default::default()));
    for (arguments, expected) in [
        ("cancel --reason r", "which sagas?"),
        ("pause x --state parked", "either ids or conditions"),
        ("why ../etc/passwd", "allowed are A-Z a-z 0-9"),
        ("ls --after ../x", "--after: "),
        ("signal x  --wait 0s", "the name of the event"),
        ("signal x Approved --payload {", "--payload is JSON"),
        ("ls --needs-human --after nonsense", "--after: "),
        ("decide x --node a --note n --succeeded {", "as JSON"),
    ] {
        let said = place.saga(arguments).fails(2);
        assert!(said.contains(expected), "{arguments}: {said}");
    }
}

#[test]
fn a_store_that_cannot_be_opened_ends_with_1() {
    let directory = tempfile::tempdir().unwrap();
    let there = |name: &str| directory.path().join(name).display().to_string();
    fs::write(there("text"), "this is no database, but it is long enough to be looked at").unwrap();
    for store in [
        format!("sqlite:{}", there("none.db")),
        format!("file:{}", there("none")),
        format!("sqlite:{}", there("text")),
        "postgres://user:secret@127.0.0.1:1/none?connect_timeout=1".to_string(),
    ] {
        let said = saga(&["--store", &store, "ls"]).fails(1);
        assert!(said.starts_with("saga: "), "{said}");
        assert!(!said.contains("secret"), "{said}");
        let json = saga(&["--json", "--store", &store, "ls"]).fails(1);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["exit_code"], 1);
        assert!(
            !there("none.db").is_empty() && !Path::new(&there("none.db")).exists(),
            "it was created"
        );
    }
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = saga(&["completions", shell]).ok();
        assert!(script.contains("unpark") && script.contains("older-than"), "{shell}");
    }
}
