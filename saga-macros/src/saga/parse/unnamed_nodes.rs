//! Names the nodes without a name: after their kind, with a number that counts the nodes of that kind in the
//! saga, in the order of the text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use proc_macro2::Ident;
use syn::ext::IdentExt;

use crate::saga::ast::{Body, Node, NodeForm, Step, Stmt};

/// How many unnamed nodes of each kind there are.
pub(crate) type Counts = BTreeMap<Cow<'static, str>, u32>;

/// Names those of a body and of the bodies inside it.
pub(crate) fn number(body: &mut Body, counts: &mut Counts) {
    statements(&mut body.stmts, counts);
}

fn statements(stmts: &mut [Stmt], counts: &mut Counts) {
    for stmt in stmts {
        match stmt {
            Stmt::Node(node) => {
                if node.form == NodeForm::Numbered {
                    let kind = kind(node);
                    let count = counts.entry(kind.clone()).or_default();
                    *count += 1;
                    node.name = Ident::new(&format!("{kind}_{count}"), node.name.span());
                }
                match &mut node.step {
                    Step::For(for_loop) => number(&mut for_loop.body, counts),
                    Step::Choice(choice) => {
                        choice.arms.iter_mut().for_each(|arm| number(&mut arm.body, counts));
                    }
                    Step::Call(_) | Step::Value(_) | Step::Broken(_) => {}
                }
            }
            Stmt::Parallel(stmts) | Stmt::Branch(stmts) => statements(stmts, counts),
        }
    }
}

fn kind(node: &Node) -> Cow<'static, str> {
    match &node.step {
        Step::For(_) => "for".into(),
        Step::Choice(choice) => choice.word().into(),
        Step::Call(call) => {
            call.name().map(|name| name.unraw().to_string()).unwrap_or_default().into()
        }
        Step::Value(_) | Step::Broken(_) => "value".into(),
    }
}
