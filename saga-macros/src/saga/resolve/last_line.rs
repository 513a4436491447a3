//! What the last line of a body must be.

use super::line;
use super::scopes::{Scopes, nodes_of};
use crate::errors::{Errors, did_you_mean};
use crate::saga::ast::{Body, Form, Saga, Tail};

/// Reports what is wrong with the last line of a body, which is open.
pub(crate) fn check(saga: &Saga, body: &Body, scopes: &Scopes, errors: &mut Errors) {
    let head = &saga.head;
    let inner = scopes.is_inner();
    match &body.tail {
        _ if !head.complete => {}
        None if inner => {}
        None if nodes_of(body).is_empty() => {
            errors.at(&head.name, format!("saga `{}` has no nodes", head.name));
        }
        None if !head.returns_unit() => {
            let message = format!(
                "saga `{}` has no last line that gives its output: end with an action without `;`, the \
                 name of a node, or an expression in braces",
                head.name
            );
            errors.at(head.output.as_ref(), message);
        }
        Some(Tail::Name(name)) if scopes.node_here(&name.to_string()).is_none() => {
            let text = name.to_string();
            let message = if head.params.iter().any(|param| param.name == *name) {
                format!(
                    "`{name}` is a parameter, not a node; an output that is computed stands in braces: \
                     `{{ {name}.clone() }}`"
                )
            } else if scopes.is_variable(name) || (inner && scopes.is_visible(&text)) {
                format!(
                    "`{name}` is no node of this body; an output that is computed stands in braces: \
                     `{{ {name}.clone() }}`"
                )
            } else if text.starts_with(char::is_uppercase) {
                format!(
                    "`{name}` is no node; an output that is computed stands in braces: `{{ {name} }}`"
                )
            } else {
                let names = scopes.names_here();
                let nearest = did_you_mean(&text, names.iter().map(String::as_str));
                format!(
                    "saga `{}` has no node named `{text}`{nearest} (if it is an action, its inputs are \
                     missing: `{text} {{ .. }}`)",
                    head.name
                )
            };
            errors.at(name, message);
        }
        Some(Tail::Literal(call, _)) => {
            let taken =
                call.name().and_then(|name| Some((name, scopes.node_here(&name.to_string())?)));
            if let Some((name, node)) = taken {
                let message = format!(
                    "saga `{}` already has a node named `{name}`{}; name this one, and end with its name",
                    head.name,
                    line(&node.name),
                );
                errors.at(name, message);
            }
        }
        Some(Tail::Value(_)) => {
            if let Some(node) = scopes.node_here("output")
                && node.form != Form::Last
            {
                let message = "the last line is the node `output`; give this one another name";
                errors.at(&node.name, message);
            }
        }
        _ => {}
    }
}
