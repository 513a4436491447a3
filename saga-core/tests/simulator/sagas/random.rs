//! Random sagas. Zeros on the tape give a saga of one action that has an undo.

use std::time::Duration;

use saga_core::Retry;
use saga_core::action::UndoContract;
use serde_json::{Value, json};

use super::{Body, Call, DECLARED, Gives, Kind, Node};
use crate::tape::Tape;

/// A saga.
pub(super) fn random(tape: &Tape) -> Body {
    Making { tape, names: 0, calls: 0, before_pivot: true }.outermost()
}

/// A call for a node behind the pivot, or for any other one.
pub(super) fn random_call(tape: &Tape, behind_pivot: bool) -> Call {
    let mut making = Making { tape, names: 0, calls: 0, before_pivot: !behind_pivot };
    making.call(Gives::Number, false)
}

struct Making<'t> {
    tape: &'t Tape,
    names: u32,
    calls: u32,
    /// False once the pivot is there: no node behind it may give up.
    before_pivot: bool,
}

#[derive(Clone, Copy)]
enum Shape {
    Chain,
    Parallel,
    Stages,
    Diamond,
    Random,
}

impl Making<'_> {
    fn name(&mut self, kind: char) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    fn outermost(&mut self) -> Body {
        if !self.tape.chance(64) {
            let depth = [1, 0, 2, 3][self.tape.pick(4)];
            return self.body(depth, 5);
        }
        // with a pivot: all others are before or behind it
        let n = self.tape.pick(3);
        let mut nodes = if n > 0 { self.nodes(1, n) } else { Vec::new() };
        let call = self.call(Gives::Number, true);
        let after = (0..nodes.len()).collect();
        let (pivot, name) = (nodes.len(), self.name('p'));
        nodes.push(Node { name, kind: Kind::Action(call), after });
        self.before_pivot = false;
        let m = self.tape.pick(3);
        if m > 0 {
            let behind = self.nodes(1, m);
            nodes.extend(behind.into_iter().map(|mut node| {
                node.after.iter_mut().for_each(|i| *i += pivot + 1);
                node.after.insert(0, pivot);
                node.kind.shift(pivot + 1);
                node
            }));
        }
        let output = nodes.len() - 1;
        Body { nodes, output }
    }

    fn body(&mut self, depth: u32, max: usize) -> Body {
        let n = 1 + self.tape.pick(max);
        let nodes = self.nodes(depth, n);
        let last = nodes.len() - 1;
        let output = if self.tape.chance(40) { self.tape.pick(nodes.len()) } else { last };
        Body { nodes, output }
    }

    /// About so many nodes: those that read a list, a number or parameters bring the node that gives them.
    fn nodes(&mut self, depth: u32, n: usize) -> Vec<Node> {
        use Shape::{Chain, Diamond, Parallel, Random, Stages};
        let shape = [Chain, Parallel, Stages, Diamond, Random][self.tape.pick(5)];
        let mut nodes = Vec::new();
        let mut stage = 0;
        for number in 0..n {
            let first = nodes.len();
            match self.tape.pick(if depth == 0 || self.calls > 12 { 5 } else { 9 }) {
                0..=3 => {
                    let (name, call) = (self.name('a'), self.call(Gives::Number, false));
                    nodes.push(Node { name, kind: Kind::Action(call), after: Vec::new() });
                }
                4 => {
                    let (name, value) = (self.name('c'), json!(self.tape.pick(100)));
                    nodes.push(Node { name, kind: Kind::Constant(value), after: Vec::new() });
                }
                5 | 6 => {
                    let items = self.source(&mut nodes, Gives::List);
                    let name = self.name('f');
                    let at_once = self.tape.chance(100).then(|| 1 + self.tape.pick(2) as u32);
                    let body = self.body(depth - 1, 2);
                    let kind = Kind::ForEach { body, items, at_once };
                    nodes.push(Node { name, kind, after: vec![items] });
                }
                7 => {
                    let many = 1 + self.tape.pick(2);
                    let by = self.source(&mut nodes, Gives::Arm(many));
                    let name = self.name('m');
                    let arms = (0..many).map(|_| self.body(depth - 1, 2)).collect();
                    nodes.push(Node { name, kind: Kind::Choose { arms, by }, after: vec![by] });
                }
                _ => {
                    let params = self.source(&mut nodes, Gives::Number);
                    let (name, body) = (self.name('s'), self.body(depth - 1, 3));
                    let kind = Kind::Subsaga { body, params };
                    nodes.push(Node { name, kind, after: vec![params] });
                }
            }
            let (mut before, one) = (Vec::new(), nodes.len() - first == 1);
            match shape {
                Chain => before.extend(first.checked_sub(1)),
                Parallel => {}
                Stages if one && first > stage && self.tape.chance(128) => {
                    before = nodes[first - 1].after.clone();
                }
                Stages => {
                    before = (stage..first).collect();
                    stage = first;
                }
                Diamond if number == 0 => {}
                Diamond if number + 1 == n => before = (0..first).collect(),
                Diamond => before.push(0),
                Random => before = (0..first).filter(|_| self.tape.chance(100)).collect(),
            }
            let added = &mut nodes[first].after;
            added.extend(before);
            added.sort_unstable();
            added.dedup();
        }
        nodes
    }

    /// A constant or an action that gives a list, the number of an arm, or parameters.
    fn source(&mut self, nodes: &mut Vec<Node>, gives: Gives) -> usize {
        let (name, kind) = if self.tape.chance(128) {
            let name = self.name(match gives {
                Gives::Number => 'n',
                Gives::List => 'l',
                Gives::Arm(_) => 'k',
            });
            (name, Kind::Action(self.call(gives, false)))
        } else {
            let some = |n| (0..n).map(|i| json!([i, self.tape.pick(9)])).collect::<Value>();
            let value = match gives {
                Gives::Number => json!(self.tape.pick(100)),
                Gives::List => some(self.tape.pick(4)),
                Gives::Arm(many) => gives_arm(self.tape.pick(many + 1), many),
            };
            (self.name('c'), Kind::Constant(value))
        };
        nodes.push(Node { name, kind, after: Vec::new() });
        nodes.len() - 1
    }

    fn call(&mut self, gives: Gives, pivot: bool) -> Call {
        self.calls += 1;
        let tape = self.tape;
        let action = &DECLARED[tape.pick(DECLARED.len())];
        let undoes = action.contract != UndoContract::None;
        let seconds = |tape: &Tape| Duration::from_millis(500 << tape.pick(6));
        let mut retry = tape.chance(150).then(|| retry(tape, false));
        if !self.before_pivot {
            retry = Some(Retry::forever().base(Duration::from_millis(10 << tape.pick(8))));
        }
        // an action that is run again until its output is known may be refused each time
        let undo_forever = action.contract != UndoContract::Output;
        Call {
            action,
            gives,
            pivot,
            fenced: tape.chance(80),
            retry,
            undo_retry: (undoes && tape.chance(150)).then(|| self::retry(tape, undo_forever)),
            timeout: tape.chance(150).then(|| seconds(tape)),
            undo_timeout: (undoes && tape.chance(120)).then(|| seconds(tape)),
        }
    }
}

pub(super) fn gives_arm(arm: usize, many: usize) -> Value {
    if arm < many { json!(arm) } else { Value::Null }
}

/// Retries with every setting.
fn retry(tape: &Tape, forever: bool) -> Retry {
    let max = tape.pick(if forever { 5 } else { 4 }) as u32;
    let retry = if max < 4 { Retry::up_to(1 + max) } else { Retry::forever() };
    retry
        .base(Duration::from_millis([100, 0, 10, 3_000][tape.pick(4)]))
        .factor([2.0, 1.0, 5.0][tape.pick(3)])
        .jitter([0.5, 0.0, 1.0][tape.pick(3)])
        .cap(Duration::from_millis([60_000, 100, 20_000][tape.pick(3)]))
}

impl Kind {
    fn shift(&mut self, by: usize) {
        match self {
            Self::Constant(_) | Self::Action(_) => {}
            Self::ForEach { items: i, .. }
            | Self::Choose { by: i, .. }
            | Self::Subsaga { params: i, .. } => *i += by,
        }
    }
}
