//! The examples `persistent_cli` and `cloud_infra` as a reader runs them, and the cloud that they use.

#[path = "../../examples/cloud/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use saga_core::log::Uuid;

use self::world::{Cloud, CloudError};
use crate::program::program;

fn run(example: &str, state: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program(example));
    command.args(&args[..1]).arg("--state-dir").arg(state).args(&args[1..]);
    command.output().unwrap()
}

/// What a run that went well printed.
fn said(example: &str, state: &Path, args: &[&str]) -> String {
    let output = run(example, state, args);
    assert!(output.status.success(), "{example} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The error of a run that did not.
fn error(example: &str, state: &Path, args: &[&str]) -> String {
    let output = run(example, state, args);
    assert_eq!(output.status.code(), Some(1), "{example} {args:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// How many resources of each kind a deployment has.
fn has(state: &Path, owner: &str) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for resource in Cloud::open(&state.join("cloud")).unwrap().all().unwrap() {
        if resource.owner == owner {
            *kinds.entry(resource.kind).or_default() += 1;
        }
    }
    kinds
}

fn one_each(kinds: &[&str]) -> BTreeMap<String, usize> {
    kinds.iter().map(|kind| (kind.to_string(), 1)).collect()
}

const LINE: [&str; 3] = ["vpc", "subnet", "instance"];
const INFRA: [&str; 6] = ["vpc", "gateway", "subnet", "security_group", "route_table", "instance"];

#[test]
fn the_cloud_refuses_to_delete_what_others_depend_on() {
    let state = tempfile::tempdir().unwrap();
    let cloud = Cloud::open(state.path()).unwrap();
    let (one, two, three) = (Uuid::from_u128(1 << 96), Uuid::from_u128(2 << 96), Uuid::max());
    let vpc = cloud.create(one, "x", "vpc", &[]).unwrap();
    let subnet = cloud.create(two, "x", "subnet", &[&vpc]).unwrap();
    assert_eq!(cloud.create(two, "x", "subnet", &[&vpc]).unwrap(), subnet, "once for each key");
    let error = cloud.delete(one).unwrap_err();
    assert_eq!(error.to_string(), "vpc-00000001 has dependents: subnet-00000002");
    // on disk, so another program sees the same
    let cloud = Cloud::open(state.path()).unwrap();
    assert_eq!(cloud.all().unwrap(), [subnet.clone(), vpc.clone()]);
    cloud.delete(two).unwrap();
    cloud.delete(two).unwrap();
    cloud.delete(one).unwrap();
    assert!(cloud.all().unwrap().is_empty());
    cloud.delete(three).unwrap();
    let late = cloud.create(three, "x", "vpc", &[]).unwrap_err();
    assert!(matches!(late, CloudError::Deleted { .. }), "{late}");
    let missing = cloud.create(Uuid::nil(), "x", "subnet", &[&vpc]).unwrap_err();
    assert_eq!(missing.to_string(), "there is no vpc-00000001 to stand on");
}

#[test]
fn a_deployment_is_made_listed_and_destroyed_by_three_processes() {
    for (example, kinds) in [("persistent_cli", &LINE[..]), ("cloud_infra", &INFRA[..])] {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        assert_eq!(said(example, state, &["list"]), "nothing was deployed\n");
        let deployed = said(example, state, &["deploy", "--saga-id", "blue"]);
        assert!(deployed.starts_with("blue is deployed: instance-"), "{deployed}");
        said(example, state, &["deploy", "--saga-id", "green"]);
        let listed = said(example, state, &["list"]);
        assert!(listed.starts_with("blue  completed\n  "), "{listed}");
        assert_eq!(listed.lines().count(), 2 * (1 + kinds.len()), "{listed}");
        assert_eq!(has(state, "blue"), one_each(kinds));

        let refused = error(example, state, &["deploy", "--saga-id", "blue"]);
        let expected = "error: blue is deployed already; destroy it, or take another --saga-id\n";
        assert_eq!(refused, expected);
        assert_eq!(said(example, state, &["destroy", "--saga-id", "blue"]), "blue is destroyed\n");
        assert_eq!(said(example, state, &["destroy", "--saga-id", "blue"]), "blue is destroyed\n");
        assert!(has(state, "blue").is_empty());
        assert_eq!(has(state, "green"), one_each(kinds), "the other one stays");
        let listed = said(example, state, &["list"]);
        assert!(listed.starts_with("blue  rolled_back\ngreen  completed\n"), "{listed}");
        let refused = error(example, state, &["deploy", "--saga-id", "blue"]);
        assert!(refused.contains("was used before and is rolled_back"), "{refused}");
        let unknown = error(example, state, &["destroy", "--saga-id", "red"]);
        assert_eq!(unknown, "error: there is no deployment red\n");
    }
}

#[test]
fn a_killed_deployment_resumes_in_the_next_process() {
    for node in LINE {
        for next in ["deploy", "destroy"] {
            let state = tempfile::tempdir().unwrap();
            let state = state.path();
            let args = ["deploy", "--saga-id", "blue", "--crash-at", node];
            let killed = run("persistent_cli", state, &args);
            assert_eq!(killed.status.code(), None, "{node}: {killed:?}");
            assert_eq!(has(state, "blue").get(node), Some(&1), "{node} is there, and not noted");
            let listed = said("persistent_cli", state, &["list"]);
            assert!(listed.starts_with("blue  running\n"), "{node}: {listed}");
            said("persistent_cli", state, &[next, "--saga-id", "blue"]);
            let kinds = if next == "deploy" { one_each(&LINE) } else { BTreeMap::new() };
            assert_eq!(has(state, "blue"), kinds, "{node}, then {next}");
        }
    }
}

#[test]
fn created_resources_are_deleted_when_a_node_fails() {
    for node in INFRA {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let args = ["deploy", "--saga-id", "blue", "--fail-at", node];
        let failed = error("cloud_infra", state, &args);
        let expected = format!(
            "error: saga blue rolled back: node `{node}`: action failed: no capacity for a {node}\n"
        );
        assert_eq!(failed, expected);
        assert!(has(state, "blue").is_empty(), "{node}");
        assert_eq!(said("cloud_infra", state, &["list"]), "blue  rolled_back\n");
    }
}

#[test]
fn wrong_arguments_are_explained() {
    let cases: [(&str, &[&str], &str); 7] = [
        ("persistent_cli", &[], "say deploy, destroy or list"),
        ("persistent_cli", &["deploy"], "--saga-id is missing"),
        ("persistent_cli", &["list"], "--state-dir is missing"),
        ("persistent_cli", &["list", "list"], "unknown argument `list`"),
        (
            "persistent_cli",
            &["list", "--saga-id", "a", "--saga-id", "b"],
            "--saga-id is given twice",
        ),
        ("persistent_cli", &["list", "--state-dir"], "--state-dir needs a value"),
        (
            "cloud_infra",
            &["deploy", "--fail-at", "vcp"],
            "there is no node `vcp`; there are vpc, gateway, subnet, security_group, route_table, instance",
        ),
    ];
    for (example, args, why) in cases {
        let output = Command::new(program(example)).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("error: {why}\n")), "{args:?}: {error}");
    }
}
