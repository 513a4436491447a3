//! The names of the nodes of a body, which must differ from each other and from what is visible around them.

use std::collections::BTreeSet;

use proc_macro2::Ident;

use super::Resolver;
use crate::errors::position;
use crate::saga::ast::{Node, NodeForm};

impl<'a> Resolver<'a, '_> {
    /// Opens the scope of a body and makes its names known. They must not shadow names that are visible
    /// around it, because what the patterns around it read is read in each node again.
    pub(crate) fn check_names(&mut self, nodes: &[&'a Node], declared: BTreeSet<String>) {
        let around = nodes.iter().map(|node| self.meaning_around(node)).collect::<Vec<_>>();
        self.scopes.open_body(declared);
        let saga = &self.saga.head;
        for (node, around) in nodes.iter().zip(around) {
            let name = &node.name;
            let hint = match node.form {
                NodeForm::Bare => format!("name this one: `let other = {name} {{ .. }};`"),
                NodeForm::Numbered => "name this one: `let name = ..;`".to_string(),
                NodeForm::Let | NodeForm::Const => "give this one another name".to_string(),
                NodeForm::Last => "name this one, and end with its name".to_string(),
            };
            // The user did not choose the name of a last line, so it cannot clash with a parameter.
            let param = saga.params.iter().find(|param| param.name == *name);
            let param = param.filter(|_| node.form != NodeForm::Last);
            if let Some(param) = param {
                let place = at_line(&param.name);
                let message = format!(
                    "saga `{}` already has a parameter named `{name}`{place}; {hint}",
                    saga.name
                );
                self.errors.at(name, message);
                continue;
            }
            if let Some(message) = around {
                self.errors.at(name, format!("{message}; {hint}"));
                continue;
            }
            let Some(first) = self.scopes.collect(node) else { continue };
            if !(first.is_conditional() && node.is_conditional()) {
                let place = at_line(&first.name);
                let message = format!(
                    "saga `{}` already has a node named `{name}`{place}; {hint}",
                    saga.name
                );
                self.errors.at(name, message);
            }
        }
    }

    /// What to report if the name of a node already means something around its body.
    fn meaning_around(&mut self, node: &Node) -> Option<String> {
        let name = &node.name;
        if node.form == NodeForm::Last {
            return None;
        }
        if self.scopes.is_variable(name) {
            return Some(format!("the pattern around this node already binds `{name}`"));
        }
        let saga = &self.saga.head.name;
        self.scopes
            .is_visible(&name.to_string())
            .then(|| format!("saga `{saga}` already has a node named `{name}`"))
    }
}

/// ` (line 3)`, if the compiler tells the line.
pub(crate) fn at_line(name: &Ident) -> String {
    position(name.span()).map(|(line, _)| format!(" (line {line})")).unwrap_or_default()
}
