//! `for`, `if` and `match` in `saga!`: outputs, paths, and a failure at each node in turn.

mod cfg_attributes;
mod constants;
mod lists;
mod shadowed_names;
mod statements;
mod structs;
mod variables;

use std::collections::BTreeSet;

use crate::common::lab::{Any, Lab, World, make, ready};
use saga_core::Saga;
use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Disk {
    name: String,
    source: Source,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Source {
    Blank,
    Image { id: u32, import: bool },
    Local(String),
}

/// Runs a saga in a world in which the action of this node fails.
async fn run<S: Saga<Context = World>>(
    saga: S,
    fails: Option<&str>,
) -> Result<(World, Result<S::Output, SagaError>), Any> {
    let world = Lab::failing(fails);
    let sec = Coordinator::builder(world.clone()).saga::<S>().build().await?;
    let result = sec.run(saga).await;
    Ok((world, result))
}

/// The nodes that act, and that a failure of each in turn leaves nothing behind.
async fn all_or_nothing<S: Saga<Context = World> + Clone>(
    saga: &S,
) -> Result<(S::Output, BTreeSet<String>), Any> {
    let (world, output) = run(saga.clone(), None).await?;
    let nodes = world.effects();
    for node in &nodes {
        let (world, result) = run(saga.clone(), Some(node)).await?;
        let error = result.err().ok_or("it completed")?.to_string();
        assert!(error.contains(&format!("{node} fails")), "{node}: {error}");
        assert!(world.effects().is_empty(), "{node}: {:?}", world.effects());
    }
    Ok((output?, nodes))
}

fn paths(nodes: &BTreeSet<String>) -> String {
    nodes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

saga! {
    /// One step, a pattern and a list that is computed, several statements, one in another, a subsaga.
    Loops<World>(names: Vec<String>, pairs: Vec<(String, u32)>) -> Vec<String> {
        let net = make { what: "net" };
        parallel {
            let one = for name in names { make { what: name } };
            #[concurrency = 2]
            #[label = "each with its place"]
            let computed: Vec<String> = for (i, (name, n)) in pairs.iter().enumerate().collect::<Vec<_>>() {
                make { what: &format!("{i}{name}{n}") }
            };
        }
        let nested = for name in names {
            let first = make { what: &format!("{name}{net}") };
            let inner = for (other, _) in pairs {
                let both = make { what: &format!("{first}{other}{name}") };
                parallel {
                    ready { what: both };
                    Ready { of: both.clone() };
                }
                let text = { format!("{both}{ready}{Ready}") };
                text
            };
            { format!("{inner:?}{}", inner.len()) }
        };
        let none = for _ in Vec::<u8>::new() { make { what: "never" } };
        const NONE: usize = 0;
        let _alone = for name in names { Ready { of: format!("{name}{none:?}{NONE}") } };
        for n in [one.len(), nested.len(), computed.len()] { make { what: &n.to_string() } }
    }

    Ready<World>(of: String) -> String {
        ready { what: of }
    }

    Choices<World>(disk: Disk, lb: Option<u32>) -> String {
        let size = { disk.name.len() };
        let volume: String = match &disk.source {
            Source::Blank => make { what: "blank" },
            Source::Image { id, import: true } if *id > 5 || size == &100 => {
                let space = make { what: &id.to_string() };
                let imported = if *size > 3 { ready { what: space } };
                match imported { Some(text) => make { what: text }, None => ready { what: "small" } }
            }
            Source::Image { .. } => { { "no import".to_string() } }
            Source::Local(path) => {
                let parts = for part in path.split('/').collect::<Vec<_>>() { make { what: part } };
                { parts.join("+") }
            }
        };
        let balanced = if let Some(port) = lb && *port > 10 {
            make { what: &format!("{volume}:{port}") }
        } else if let Some(_port @ 1..) = lb {
            ready { what: volume }
        } else {
            ready { what: "none" }
        };
        let _unit = if balanced.is_empty() { ready { what: "empty" }; } else {};
        let maybe: Option<String> = if lb.is_some() { make { what: balanced } };
        make { what: &format!("{maybe:?}") }
    }
}

saga! {
    /// A parameter that is called like the node of a last line, in which it is read.
    Named<World>(output: Vec<String>) -> String {
        let made = for text in output {
            if let Some(output) = output.get(1) { make { what: output } } else { make { what: text } }
        };
        match output.as_slice() {
            [] => make { what: "nothing" },
            [output, ..] => ready { what: &format!("{output}{}", made.join("")) },
        }
    }
}

#[tokio::test]
async fn an_item_named_output_does_not_shadow_the_last_line() -> Result<(), Any> {
    let output = ["a", "b"].map(String::from).to_vec();
    let (output, nodes) = all_or_nothing(&Named { output }).await?;
    assert_eq!(
        (output.as_str(), paths(&nodes).as_str()),
        ("A<B><B>", "made[0]#0 made[1]#0 output#1")
    );
    let (output, _) = all_or_nothing(&Named { output: Vec::new() }).await?;
    assert_eq!(output, "<nothing>");
    Ok(())
}

#[tokio::test]
async fn a_for_runs_once_for_each_item() -> Result<(), Any> {
    let names = vec!["a".to_string(), "b".to_string()];
    let pairs = vec![("x".to_string(), 1)];
    let (output, nodes) = all_or_nothing(&Loops { names, pairs }).await?;
    assert_eq!(output, ["<2>", "<2>", "<1>"]);
    let expected = "_alone[0]/ready _alone[1]/ready computed[0] \
                    nested[0]/first nested[0]/inner[0]/Ready/ready \
                    nested[0]/inner[0]/both nested[0]/inner[0]/ready \
                    nested[1]/first nested[1]/inner[0]/Ready/ready \
                    nested[1]/inner[0]/both nested[1]/inner[0]/ready \
                    net one[0] one[1] output[0] output[1] output[2]";
    assert_eq!(paths(&nodes), expected);
    let (output, nodes) = all_or_nothing(&Loops { names: Vec::new(), pairs: Vec::new() }).await?;
    assert_eq!(output, ["<0>", "<0>", "<0>"]);
    assert_eq!(paths(&nodes), "net output[0] output[1] output[2]");
    Ok(())
}

#[tokio::test]
async fn one_arm_runs() -> Result<(), Any> {
    let saga =
        |name: &str, source, lb| Choices { disk: Disk { name: name.to_string(), source }, lb };
    let image = |id, import| Source::Image { id, import };
    let cases = [
        (saga("d", Source::Blank, None), "<None>", "balanced#2 make volume#0"),
        (
            saga("disk", image(6, true), Some(0)),
            "<Some(\"<NONE>\")>",
            "balanced#2 make maybe#0 volume#1/imported#0 volume#1/output#0 volume#1/space",
        ),
        (
            saga("d", image(6, true), Some(3)),
            "<Some(\"<SMALL>\")>",
            "balanced#1 make maybe#0 volume#1/output#1 volume#1/space",
        ),
        (saga("d", image(1, true), None), "<None>", "balanced#2 make"),
        (
            saga("d", Source::Local("a/b".to_string()), Some(11)),
            "<Some(\"<<<a>+<b>:11>>\")>",
            "balanced#0 make maybe#0 volume#3/parts[0] volume#3/parts[1]",
        ),
    ];
    for (saga, expected, acting) in cases {
        let (output, nodes) = all_or_nothing(&saga).await?;
        assert_eq!((output.as_str(), paths(&nodes).as_str()), (expected, acting), "{saga:?}");
    }
    Ok(())
}
