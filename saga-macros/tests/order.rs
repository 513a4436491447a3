//! The order that rustdoc shows is the order that the builder gives to the same saga: random blocks, nodes and edges,
//! through both.

use std::collections::BTreeSet;
use std::fmt::Write;

use saga_core::__private::computed;
use saga_core::dag::DagBuilder;
use saga_core::typed::OutputRef;

use crate::saga;

/// Numbers that look random (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// A saga that is written as text and built at the same time.
struct Both {
    dice: Dice,
    text: String,
    dag: DagBuilder<()>,
    slots: Vec<(String, OutputRef<u32>)>,
}

impl Both {
    fn statements(&mut self, parallel: bool, depth: usize) {
        for _ in 0..=self.dice.below(4) {
            match self.dice.below(6) {
                0 if depth > 0 => {
                    self.text += "parallel {\n";
                    self.dag.parallel();
                    self.statements(true, depth - 1);
                    self.end();
                }
                1 if depth > 0 && parallel => {
                    self.text += "{\n";
                    self.dag.branch();
                    self.statements(false, depth - 1);
                    self.end();
                }
                _ => self.node(),
            }
        }
    }

    fn end(&mut self) {
        self.text += "}\n";
        self.dag.end();
    }

    fn some(&mut self) -> Vec<(String, OutputRef<u32>)> {
        let dice = &mut self.dice;
        self.slots.iter().filter(|_| dice.below(4) == 0).cloned().collect()
    }

    fn node(&mut self) {
        let (reads, after) = (self.some(), self.some());
        let name = format!("n{}", self.slots.len());
        let names = |slots: &[(String, OutputRef<u32>)]| {
            slots.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        if !after.is_empty() {
            writeln!(self.text, "#[after({})]", names(&after)).unwrap();
        }
        writeln!(self.text, "let {name} = act {{ x: [{}] }};", names(&reads)).unwrap();
        let ids =
            |slots: &[(String, OutputRef<u32>)]| slots.iter().map(|(_, slot)| slot.id()).collect();
        let (reads, after): (Vec<_>, Vec<_>) = (ids(&reads), ids(&after));
        let slot = computed(&mut self.dag, name.clone().leak(), &[("x", &reads)], &after, |_| 0);
        self.slots.push((name, slot));
    }
}

/// The lines of the list in rustdoc: each node, with those that it waits for.
fn listed(expansion: &str) -> Vec<(String, BTreeSet<String>)> {
    let lines = expansion.lines().filter_map(|line| line.trim().strip_prefix("- `"));
    let line = |line: &str| {
        let (name, rest) = line.split_once("`: `act`").unwrap();
        let waits_for = rest.split('`').skip(1).step_by(2);
        (name.to_string(), waits_for.map(str::to_string).collect())
    };
    lines.map(line).collect()
}

#[test]
fn rustdoc_and_builder_agree_who_waits_for_whom() {
    for seed in 0..500 {
        let (dice, dag) = (Dice(seed), DagBuilder::new("S").unwrap());
        let mut both = Both { dice, text: String::new(), dag, slots: Vec::new() };
        both.statements(false, 3);
        let text = format!("S<()>() {{\n{}}}", both.text);
        let expansion = saga::expand(text.parse().unwrap());
        let expansion = prettyplease::unparse(&syn::parse2(expansion).unwrap());
        let json = both.dag.build().unwrap().to_json();
        let strings = |value: &serde_json::Value| {
            let list = value.as_array().into_iter().flatten();
            list.map(|name| name.as_str().unwrap().to_string()).collect::<BTreeSet<_>>()
        };
        let nodes = json["nodes"].as_array().unwrap().iter();
        let built =
            nodes.map(|node| (node["name"].as_str().unwrap().into(), strings(&node["after"])));
        assert_eq!(listed(&expansion), built.collect::<Vec<_>>(), "seed {seed}:\n{text}");
    }
}
